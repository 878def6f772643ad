"""How the synthetic data set draws its pictures: numpy and pillow only, no asset."""
