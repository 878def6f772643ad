"""Data sets: readers, checks and packing. Of the pipeline's stages, only `prepare` and `crop` import these.

- Interface and list: `dataset.py` (what a reader must offer), `sources.py` (which readers there are).
- Readers: `cuhk_sysu.py` (with `cuhk_boxes.py`, `cuhk_protocols.py`), `prw.py` (with `prw_files.py`),
  `synthetic/`.
- For readers: `on_disk.py` (their base class), `matlab.py` and `matlab_stream.py` (MATLAB files),
  `galleries.py` (search protocols), `jpeg.py` and `picture_kinds.py` (picture files), `releases.py` (which
  data set a folder holds).
- Checks: `checks.py` (scenes, queries, galleries), `image_checks.py` (picture files), `inspection.py` (the
  counts that `check-data` shows).
- Output: `packing.py` (shards), `crops.py` (people cut out), `processes.py` (work over several processes).
"""
