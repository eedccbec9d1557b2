"""The explorers in notebooks with a live kernel: JupyterLab, and others by --front-end.

What they show is tested in the book (tests/book); here, that a notebook is no worse a place: the
code and the weights come from the kernel by messages, and it may be gone when they are asked for.
"""

import pytest
from explorers import (
    EXPLORERS,
    assert_every_slider_moves_the_pictures,
)

pytestmark = pytest.mark.live


@pytest.mark.parametrize("name", EXPLORERS)
def test_an_explorer_lives_in_a_notebook(notebook, name):
    cell = 1 + list(EXPLORERS).index(name)
    assert_every_slider_moves_the_pictures(notebook.page, notebook.output(cell), name)
    visit = notebook.visit
    assert (visit.errors, visit.failed, visit.outside) == ([], [], [])
