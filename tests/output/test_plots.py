from pathlib import Path

import pytest
from matplotlib.figure import Figure
from PIL import Image

from tests.helpers.legible import assert_legible, texts
from tvsight.errors import UsageError
from tvsight.output.plots import Plot
from tvsight.output.theme import COLOUR_MAP, new_figure

TITLE = "The vector keeps 95 % of what a demonstration adds to a model"
CAPTION = "Bars: means over *tasks*. " * 5 + "n = 50 episodes per task.\nWhiskers: 95 % intervals."


def plot(width: float = 3.3, mapped: bool = False) -> Plot:
    figure = new_figure(width, 2.0)
    axes = figure.subplots()
    axes.plot([0, 1], label="a line")
    axes.set(xlabel="Block", ylabel="Accuracy")
    if mapped:
        axes.imshow([[0, 1]], cmap=COLOUR_MAP)
    figure.legend(loc="outside upper left")
    return Plot(figure, TITLE, CAPTION, "n = 50 episodes per task.")


def said(figure: Figure) -> list[str]:
    return [" ".join(text.get_text().split()) for text in figure.texts if text.get_text()]


def test_captions_say_what_stays_in_the_picture() -> None:
    caption = " ".join(CAPTION.split())
    assert said(plot().lettered()) == [TITLE, "n = 50 episodes per task."]
    assert said(plot().lettered("full")) == [TITLE, caption]
    assert said(plot().lettered("none")) == []


@pytest.mark.parametrize("width", [3.3, 6.8])
def test_every_text_has_room(width: float) -> None:
    assert_legible(plot(width))


@pytest.mark.parametrize("captions", ["short", "full", "none"])
def test_the_axes_keep_their_size_below_title_and_legend(captions: str) -> None:
    figures = [plot().lettered("none"), plot().lettered(captions)]
    boxes = [figure.axes[0].get_window_extent() for figure in figures]
    assert boxes[1].height == pytest.approx(boxes[0].height, abs=1)
    assert boxes[1].width == pytest.approx(boxes[0].width, abs=1)
    figure = figures[1]
    figure.draw_without_rendering()
    (legend,) = figure.legends
    assert boxes[1].y1 < legend.get_window_extent().y0
    for text in texts(figure):
        assert figure.bbox.padded(1).contains(*text.get_window_extent().min)
    if captions != "none":
        assert figure.texts[0].get_window_extent().y0 > legend.get_window_extent().y1
        assert figure.get_figheight() > 2.3
    else:
        assert figure.get_figheight() == 2


def test_files_are_the_same_again_and_the_caption_is_beside_them(tmp_path: Path) -> None:
    command = "python -m analyses.some --seed 1"
    first, again = (
        plot().write(tmp_path / name, "some", svg=True, command=command) for name in ("a", "b")
    )
    assert [path.name for path in first] == ["some.png", "some.pdf", "some.svg", "some.caption.md"]
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in again]
    assert [path.read_bytes()[:4] for path in first[:2]] == [b"\x89PNG", b"%PDF"]
    assert "<svg" in first[2].read_text()
    title, *rest = first[3].read_text().split("** ")
    assert title == f"**{TITLE}."
    assert rest[0].startswith(r"Bars: means over \*tasks\*. Bars")
    assert rest[0].endswith(f"\n\nWhiskers: 95 % intervals.\n\nDrawn by `{command}`.\n")
    names = [path.name for path in plot().write(tmp_path / "c", "some")]
    assert names == ["some.png", "some.pdf", "some.caption.md"]


def test_only_a_figure_without_a_colour_map_has_a_palette(tmp_path: Path) -> None:
    for mapped, mode, dpi in ((False, "P", 300), (True, "RGB", 200)):
        with Image.open(plot(mapped=mapped).write(tmp_path, "some")[0]) as image:
            assert image.mode == mode
            assert image.info["dpi"] == pytest.approx((dpi, dpi), abs=0.1)


def test_a_folder_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match=r"file/figures cannot be written"):
        plot().write(tmp_path / "file" / "figures", "figure")


@pytest.mark.parametrize("kind", ["png", "pdf", "svg", "caption.md"])
def test_a_file_of_somebody_else_stays(tmp_path: Path, kind: str) -> None:
    for _ in range(2):  # an own one is replaced
        plot().write(tmp_path, "some", svg=True)
    (tmp_path / f"some.{kind}").write_text("mine")
    with pytest.raises(UsageError, match=rf"did not write some\.{kind}, which is there; move it"):
        plot().write(tmp_path, "some", svg=True)
    assert (tmp_path / f"some.{kind}").read_text() == "mine"
