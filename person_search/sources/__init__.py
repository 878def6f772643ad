"""Where pictures come from: files, folders, videos, cameras.

Neither PyTorch nor, for pictures, PyAV is needed.

    listing = listed(["holiday/", "door.mp4", "rtsp://camera/1"], say)      # places.py
    cameras = Cameras(pattern=r"(?P<camera>cam\\d+)/")                       # cameras.py
    with closing(load_frames(listing.items, every=interval("0.5s"), cameras=cameras, say=say)) as loaded:
        for result in loaded:                                               # loading.py
            match result:
                case LoadedFrame(item, frame): ...                          # frames.py: Frame
                case ItemEnd(item, gap): ...                                # gap: a line, or None

- `frames`: `Frame`; `source_text(path)` and `path_of(text)`, the name of a file as text and back; `is_file`.
- `places`: `listed(places, say)` returns a `Listing` of `Item`s (`kind`, `source`, `path`, `size`,
  `mtime_ns`, `shown`); `Listing.lacks(source)` says what is gone.
- `loading`: `load_frames`, which yields `LoadedFrame` and, behind the frames of each item, `ItemEnd`.
- `pictures`: `picture_frame(path)`. `videos`: `video_frames(path)`. `streams`: `stream_frames(address)`.
- `cameras`: `Cameras`, which knows an item's camera and time by its path.
- `times`: `zone_named(text)` for `--timezone`. `moments`: `interval(text)` for `--every`.
- `addresses`: `shown_address(text)`, without the password.
"""
