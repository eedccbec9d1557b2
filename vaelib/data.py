"""All data under one name: ``data.mnist()``, ``data.celeba()``, ``data.Images`` and their kin."""

from vaelib.digits import MNIST_MD5, Mnist, mnist
from vaelib.files import DataError, cache_folder
from vaelib.images import Faces, Images, attribute_index
from vaelib.photographs import Celeba, celeba, faces_from_folder

__all__ = [
    "MNIST_MD5", "Celeba", "DataError", "Faces", "Images", "Mnist", "attribute_index",
    "cache_folder", "celeba", "faces_from_folder", "mnist",
]  # fmt: skip

if __name__ == "__main__":
    # `make` calls this, so that the book's chapters find the data in place.
    found = mnist()
    print(f"MNIST: {len(found.train):,} + {len(found.test):,} images in {cache_folder()}")
