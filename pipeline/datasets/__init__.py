"""Data sets: readers, checks and packing. Of the pipeline's stages, only `prepare` and `crop` import these.

- Interface and list: `dataset.py` (what a reader must offer), `sources.py` (which readers there are).
- Readers: `cuhk_sysu.py` (with `cuhk_boxes.py`, `cuhk_protocols.py`), `prw.py` (with `prw_files.py`),
  `coco.py` (with `coco_file.py`, `coco_pictures.py`), `mot.py` (with `mot_files.py`), `market.py`,
  `pictures.py`, `synthetic/`; `mixed.py` (several as one, with `joining.py`).
- For readers: `on_disk.py` (their base class), `matlab.py` and `matlab_stream.py` (MATLAB files),
  `galleries.py` and `sampled_galleries.py` (search protocols), `own_boxes.py` (boxes cut to their picture),
  `jpeg.py` and `picture_kinds.py` (picture files), `releases.py` (which data set a folder holds).
- Splits where a data set brings none: `pool.py` (its scenes), `scene_division.py`, `splitting.py`,
  `drawn_searches.py`.
- Checks: `checks.py` (scenes, queries, galleries), `image_checks.py` (picture files), `inspection.py` (the
  counts that `check-data` shows).
- Output: `packing.py` (shards), `crops.py` (people cut out), `market_export.py` (crops for other programs),
  `processes.py` (work over several processes).
"""
