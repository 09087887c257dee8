"""Embedding: an interrupted first one goes on with its own encoder."""

import pytest

from core.encoders.embed import embed
from core.encoders.encoder import load_encoder
from core.workspace import Workspace
from tests.reading import take_in
from tests.shared import photo


def test_an_interrupted_first_embedding_continues_with_its_encoder_not_the_default(monkeypatch, tmp_path):
    (tmp_path / "images").mkdir()
    for i in range(8):
        photo(i).save(tmp_path / "images" / f"p{i}.png")
    monkeypatch.setattr("core.encoders.parts.PART_ROWS", 4)

    def interrupt(done, _total):
        if done > 4:
            raise KeyboardInterrupt

    with Workspace.create(tmp_path / "w", salt="interrupted") as space:
        take_in(space, tmp_path / "images")
        with pytest.raises(KeyboardInterrupt):
            embed(space, "random", device="cpu", on_progress=interrupt)
        assert space.encoder_name is None
        result = embed(space, device="cpu")
    assert (result["encoder"], result["embedded"]) == (load_encoder("random", device="cpu").name, 4)
