"""The Faster R-CNN C4 detector: its options, anchors and proposals, and the network."""
