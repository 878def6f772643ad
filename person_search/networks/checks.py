"""What a picture must be, whatever network it is given to."""

from person_search.networks.network import Picture
from pipeline.basics.errors import UserError


def check_wide_enough(picture: Picture, long_side: int) -> None:
    """Check that a picture can be resized to what a network looks at.

    Args:
        picture: `[h, w, 3]`.
        long_side: pixels that the long side of the resized picture has at most.

    Raises:
        UserError: resized, one side would be shorter than a pixel.
    """
    height, width = picture.shape[:2]
    if min(height, width) * long_side < max(height, width, 1):
        raise UserError(f"the picture is too narrow to look for people in: {width} x {height} pixels")
