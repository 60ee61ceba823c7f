"""The neuron-and-weight picture of a small chain: boxes in columns, braille lines, labels on the lines."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from rich.cells import cell_len

from backprop_tui.explain.numbers import display, elements, shape_text, significant
from backprop_tui.panes.drawing.canvas import Canvas, Line, cut, fitted
from backprop_tui.panes.drawing.labels import Edge, Label, Way, place_labels
from backprop_tui.panes.drawing.layers import Chain, Layer, Quantity
from backprop_tui.panes.drawing.marks import Marks
from backprop_tui.panes.drawing.spots import CLOSES, OPENS, Drawing, Element, Spot, shown
from backprop_tui.panes.drawing.text import Piece, plain, width_of

MOST_NEURONS = 4
MOST_LAYERS = 4
HEADER = 2
"""Rows of names and rails above the neurons; the rails share one row where there are few."""
FEW_ROWS = 8
WEIGHT_GAP, LOSS_GAP = 8, 3
WIDEST_GAP = 34
GLYPH = {"read": ">", "wrote": "*", "used": "=", "": " "}
BORDER = {"": tuple("╭─╮│╰╯"), "read": tuple("┏━┓┃┗┛"), "wrote": tuple("╔═╗║╚╝"), "used": tuple("╭─╮│╰╯")}


@dataclass(frozen=True)
class Style:
    """One way to lay the picture out; the first that fits is taken."""

    boxed: bool
    gradient: str
    """Where it stands: beside the value, below it, in the frame; bare: there, and no bias and no z."""
    digits: int


STYLES = (
    (Style(True, "beside", 4), Style(True, "below", 4), Style(True, "frame", 4)),
    (Style(True, "below", 3), Style(True, "frame", 3)),
    (Style(True, "bare", 3),),
    (Style(True, "bare", 2),),
    (Style(False, "beside", 4), Style(False, "below", 3)),
)
"""The first group that has a style that fits is taken; in it, one that also shows the weights' gradients."""


@dataclass
class Box:
    """A neuron as it will be drawn: text rows and the frame."""

    caption: str
    rows: list[Line]
    mark: str
    foot: Line = field(default_factory=list)
    """What stands in the lower frame."""
    x: int = 0
    y: int = 0
    width: int = 0

    @property
    def height(self) -> int:
        return len(self.rows)


@dataclass
class Column:
    title: str
    boxes: list[Box]
    x: int = 0
    width: int = 0


def drawable(chain: Chain) -> bool:
    """Whether the chain is small enough to be read as neurons and weights."""
    return (
        max(chain.sizes) <= MOST_NEURONS
        and len(chain.layers) <= MOST_LAYERS
        and all(layer.matrix is not None for layer in chain.layers)
    )


def draw_neurons(
    chain: Chain,
    marks: Marks,
    width: int,
    height: int,
    example: int = 0,
    chosen: Element | None = None,
    pointed: Element | None = None,
) -> Drawing | None:
    """The picture in exactly `width` x `height` cells, or None if it cannot be read at that size.

    ``chosen``: by the reader; ``pointed``: by the guide of a lesson.
    """
    if not drawable(chain):
        return None
    for group in STYLES:
        poorer = None
        for style in group:
            picture = _Picture(chain, marks, Canvas(width, height), example, style)
            if picture.fits():
                if picture.complete:
                    return picture.draw(chosen, pointed)
                poorer = poorer or picture
        if poorer is not None:
            return poorer.draw(chosen, pointed)
    return None


class _Picture:
    def __init__(self, chain: Chain, marks: Marks, canvas: Canvas, example: int, style: Style) -> None:
        self.chain = chain
        self.marks = marks
        self.canvas = canvas
        self.example = example
        self.style = style
        self.header = HEADER if canvas.height >= FEW_ROWS else 1
        self.frame = 2 if style.boxed else 0
        """Rows and columns that a frame adds to a box."""
        self.edges: list[Edge] = []
        self.labels: list[Label] = []
        self.complete = True
        """Whether the gradients of the weights have their place too."""
        self.columns = self._columns()
        self.tallest = max(box.height for column in self.columns for box in column.boxes) + self.frame
        """Rows of the tallest box: all stand in slots of this height, their first rows level."""
        self.spare = self._place()

    # ---- what the boxes say

    def _columns(self) -> list[Column]:
        columns = [Column(self.chain.start.title, self._input_boxes())]
        for number, layer in enumerate(self.chain.layers):
            title = layer.title if layer.post is None else f"{layer.title} · {layer.post.title}"
            boxes = [self._neuron_box(number, layer, neuron) for neuron in range(layer.sizes[1])]
            columns.append(Column(title, boxes))
        if self.chain.loss:
            columns.append(Column(self.chain.loss.title, [self._loss_box()]))
        return columns

    def _input_boxes(self) -> list[Box]:
        start, mark = self.chain.start, self.marks.value(0)
        rows = [self._value("", start, neuron, mark) for neuron in range(self.chain.sizes[0])]
        short = [[*row[:-1], _bare(row[-1]), (" ", "")] for row in rows]
        return [Box(f"[{neuron}]", [row], mark) for neuron, row in enumerate(short)]

    def _neuron_box(self, number: int, layer: Layer, neuron: int) -> Box:
        caption = self._caption(number, layer, neuron)
        mark = self.marks.value(number + 1) or self.marks.gradient(number + 1)
        if self.style.gradient in ("beside", "below"):
            return Box(caption, self._neuron_rows(number, layer, neuron), mark)
        label = "a" if layer.post and self.style.gradient == "frame" else ""
        row = self._value(label, layer.out, neuron, self.marks.value(number + 1))
        return Box(caption, [row], mark, self._slope(layer.out, neuron, self.marks.gradient(number + 1)))

    def _caption(self, number: int, layer: Layer, neuron: int) -> str:
        """Index, bias and, where there is no row for it, the value before the activation."""
        caption = f"[{neuron}]"
        if self.style.gradient == "bare":
            return caption
        if layer.biases is not None and neuron < len(layer.biases):
            bias = significant(layer.biases[neuron], layer.dtype, self.style.digits)
            caption += f" {GLYPH[self.marks.bias(number)].strip()}b {bias}"
        if layer.post is not None and self.style.gradient == "frame":
            before = layer.pre.value(neuron, self.example)
            text = "·" if before is None else self._number(before, layer.dtype)
            caption += f" {GLYPH[self.marks.before(number + 1)].strip()}z {text}"
        return caption

    def _neuron_rows(self, number: int, layer: Layer, neuron: int) -> list[Line]:
        at = number + 1
        if layer.post is None:
            return self._rows("", layer.pre, neuron, self.marks.value(at), self.marks.gradient(at))
        return [
            *self._rows("z", layer.pre, neuron, self.marks.before(at), self.marks.gradient_before(at)),
            *self._rows("a", layer.post, neuron, self.marks.value(at), self.marks.gradient(at)),
        ]

    def _rows(self, label: str, quantity: Quantity, neuron: int, mark: str, slope_mark: str) -> list[Line]:
        value = self._value(label, quantity, neuron, mark)
        slope = self._slope(quantity, neuron, slope_mark)
        if self.style.gradient == "below":
            return [value, [("  " if label else "", "dim"), *slope]]
        return [[*value, (" ", ""), *slope]]

    def _value(self, label: str, quantity: Quantity, neuron: int, mark: str) -> Line:
        number = quantity.value(neuron, self.example)
        text = "·" if number is None else self._number(number, quantity.info.get("dtype", "float32"))
        line: Line = [(f"{label} ", "dim")] if label else []
        return [*line, (GLYPH[mark], mark), (text.ljust(self.style.digits + 3), mark)]

    def _slope(self, quantity: Quantity, neuron: int, mark: str) -> Line:
        number = quantity.slope(neuron, self.example)
        sign = "∂" if self.style.gradient == "bare" else "∂ "
        text = ""
        if number is not None:
            text = sign + self._number(number, (quantity.grad or {}).get("dtype", "float32"))
        return [(GLYPH[mark], mark), (text.ljust(self.style.digits + 3 + len(sign)), mark or "gradient")]

    def _number(self, number: float, dtype: str) -> str:
        return significant(number, dtype, self.style.digits)

    def _loss_box(self) -> Box:
        loss = self.chain.loss
        assert loss is not None
        value = "·" if loss.value is None else significant(loss.value, loss.dtype, self.style.digits)
        mark = self.marks.loss()
        row: Line = [
            (GLYPH[mark], mark),
            ("L ", "dim"),
            (value.ljust(self.style.digits + 2), mark or "title"),
        ]
        target = f"target {self._target_text()}"
        if self.style.boxed:
            return Box(target, [row], mark)
        return Box("", [row, [(f" {target}", "dim")]], mark)

    def _target_text(self) -> str:
        target = self.chain.loss.target if self.chain.loss else None
        if target is None or target.get("values") is None:
            return shape_text(target.get("shape", [])) if target else "·"
        numbers = elements(target)
        per = max(1, len(numbers) // self.chain.start.examples)
        mine = numbers[self.example * per : self.example * per + per]
        return " ".join(significant(n, target.get("dtype", "float32"), 3) for n in mine[:4])

    # ---- where they go

    def _place(self) -> int:
        """Set the places of columns and boxes; returns the cells to spare, negative if there are too few."""
        for column in self.columns:
            widest = max(width_of(row) for box in column.boxes for row in (*box.rows, box.foot))
            caption = max(cell_len(box.caption) for box in column.boxes)
            column.width = max(widest, caption) + 2 if self.style.boxed else widest + 1
        gaps = [WEIGHT_GAP] * len(self.chain.layers) + [LOSS_GAP] * bool(self.chain.loss)
        spare = self.canvas.width - sum(column.width for column in self.columns) - sum(gaps)
        self._spread(gaps, spare)
        for column in self.columns:
            self._place_boxes(column)
        return spare

    def _spread(self, gaps: list[int], spare: int) -> None:
        weights = len(self.chain.layers)
        extra = max(0, min(spare // weights, WIDEST_GAP - WEIGHT_GAP))
        x = max(0, (spare - extra * weights) // 2)
        for number, column in enumerate(self.columns):
            column.x = x
            gap = gaps[number] + (extra if number < weights else 0) if number < len(gaps) else 0
            x += column.width + gap

    def _place_boxes(self, column: Column) -> None:
        room = self.canvas.height - self.header
        for number, box in enumerate(column.boxes):
            box.width = column.width
            middle = self.header + room * (2 * number + 1) / (2 * len(column.boxes))
            box.x, box.y = column.x, int(middle - self.tallest / 2)

    def fits(self) -> bool:
        most = max(len(column.boxes) for column in self.columns)
        if self.spare < 0 or most * self.tallest > self.canvas.height - self.header:
            return False
        taken = self._taken()
        for number in range(len(self.chain.layers)):
            edges = self._edges(number)
            placed = place_labels(edges, taken)
            if placed is None:
                return False
            self.edges += edges
            self.labels += placed[0]
            self.complete = self.complete and placed[1]
        return True

    def _taken(self) -> frozenset[tuple[int, int]]:
        """Cells of the boxes, one column of margin around them."""
        return frozenset(
            (x, y)
            for column in self.columns
            for box in column.boxes
            for x in range(box.x - 1, box.x + box.width + 1)
            for y in range(box.y, box.y + box.height + self.frame)
        )

    # ---- the weights

    def _edges(self, number: int) -> list[Edge]:
        layer = self.chain.layers[number]
        left, right = self.columns[number], self.columns[number + 1]
        room = self._room(layer)
        edges = []
        for row, target in enumerate(right.boxes):
            for column, source in enumerate(left.boxes):
                start = self._anchor(source, source.x + source.width)
                end = self._anchor(target, target.x - 1)
                weight, gradient = self._texts(number, layer, row, column)
                element = _element(layer, row, column)
                edges.append(Edge(Way(start, end, room), weight, gradient, weight[1], element, number))
        return edges

    def _anchor(self, box: Box, x: int) -> tuple[int, int]:
        """The point, in dots, level with a box's first row."""
        return 2 * x, 4 * (box.y + self.frame // 2) + 2

    def _room(self, layer: Layer) -> tuple[int, int]:
        """Cells for the longest weight and the longest gradient of a layer, each with its mark."""
        numbers = [self._number(weight, layer.dtype) for row in layer.matrix or [] for weight in row]
        slopes = [significant(slope, layer.dtype, 3) for row in layer.matrix_grad or [] for slope in row]
        return max(map(len, numbers)) + 1, max([5, *map(len, slopes)]) + 2

    def _texts(self, number: int, layer: Layer, row: int, column: int) -> tuple[Piece, Piece | None]:
        """A weight, and its gradient if there is one."""
        assert layer.matrix is not None
        weight, mark = layer.matrix[row][column], self.marks.weight(number)
        label = (GLYPH[mark].strip() + self._number(weight, layer.dtype), mark or _sign_style(weight))
        if layer.matrix_grad is None:
            return label, None
        mark = self.marks.weight_gradient(number)
        text = GLYPH[mark].strip() + "∂" + significant(layer.matrix_grad[row][column], layer.dtype, 3)
        return label, (text, mark or "gradient")

    # ---- drawing

    def draw(self, chosen: Element | None, pointed: Element | None) -> Drawing:
        spots = (*(label.spot for label in self.labels), *self._bias_spots())
        known = tuple(spot for spot in spots if spot is not None)
        for edge in self.edges:
            self.canvas.line(edge.way.start, edge.way.end, edge.style)
        for edge in self.edges:
            if chosen is not None and edge.element == replace(chosen, attribute="value"):
                self.canvas.line(edge.way.start, edge.way.end, "title")
        for label in self.labels:
            self._put_line(label.x, label.y, label.line)
        for column in self.columns:
            for box in column.boxes:
                self._draw_box(box)
        self._draw_loss_arrow()
        self._draw_header()
        spot = shown(known, pointed)
        if spot is not None:
            self.canvas.put(spot.x, spot.y, spot.text, "glow")
        spot = shown(known, chosen)
        if spot is not None:
            self.canvas.put(spot.x - 1, spot.y, f"{OPENS}{spot.text}{CLOSES}", "cursor")
        return Drawing(self.canvas.lines(), known)

    def _bias_spots(self) -> list[Spot]:
        """The biases in the frames of the neurons."""
        spots: list[Spot] = []
        if not self.style.boxed or self.style.gradient == "bare":
            return spots
        for number, layer in enumerate(self.chain.layers):
            for neuron, box in enumerate(self.columns[number + 1].boxes):
                before, sign, text = box.caption.partition("b ")
                if sign and layer.bias is not None:
                    mark = GLYPH[self.marks.bias(number)].strip()
                    x = box.x + 1 + cell_len(before) - len(mark)
                    text = f"{mark}b {text.partition(' ')[0]}"
                    spots.append(Spot(Element(layer.bias, neuron), 2 * number + 1, x, box.y, text))
        return spots

    def _put_line(self, x: int, y: int, line: Line) -> None:
        for text, style in line:
            self.canvas.put(x, y, text, style)
            x += cell_len(text)

    def _draw_box(self, box: Box) -> None:
        style = box.mark or "dim"
        if not self.style.boxed:
            self.canvas.put(box.x, box.y, "●", style)
            for number, row in enumerate(box.rows):
                self._put_line(box.x + 1, box.y + number, row)
            return
        corner, flat_line, right, side, low, low_right = BORDER[box.mark]
        inner = box.width - 2
        caption = cut(box.caption, inner)
        top = caption + flat_line * (inner - cell_len(caption))
        self.canvas.put(box.x, box.y, corner + top + right, style)
        for number, row in enumerate(box.rows):
            self.canvas.put(box.x, box.y + 1 + number, side + " " * inner + side, style)
            self._put_line(box.x + 1, box.y + 1 + number, row)
        self.canvas.put(box.x, box.y + 1 + box.height, low + flat_line * inner + low_right, style)
        if plain(box.foot).strip():
            foot = fitted([*box.foot[:-1], _bare(box.foot[-1]), (" ", "")], inner)
            self._put_line(box.x + 1, box.y + 1 + box.height, foot)

    def _draw_loss_arrow(self) -> None:
        if not self.chain.loss:
            return
        loss, outputs = self.columns[-1].boxes[0], self.columns[-2].boxes
        for box in outputs:
            end = self._anchor(loss, loss.x - 1)
            self.canvas.line(self._anchor(box, box.x + box.width), end, "dim")
        self.canvas.put(loss.x - 1, self._anchor(loss, 0)[1] // 4, "▶", "dim")

    def _draw_header(self) -> None:
        for number, column in enumerate(self.columns):
            self.canvas.put(column.x, 0, self._title(number), "title")
            if number:
                self._draw_rails(number, self.columns[number - 1], column)

    def _title(self, number: int) -> str:
        """A name, cut so that some of the rail to the next one can be seen."""
        column = self.columns[number]
        if number + 1 == len(self.columns):
            return cut(column.title, self.canvas.width - column.x)
        return cut(column.title, max(column.width, self.columns[number + 1].x - column.x - 5))

    def _draw_rails(self, number: int, left: Column, right: Column) -> None:
        """Forward on the first row, backward on the second or, without one, in its place."""
        start = left.x + cell_len(self._title(number - 1)) + 1
        back = self.marks.backward(number)
        if self.header == HEADER or not back:
            self._rail(0, start, right.x - 1, self.marks.forward(number), "▶")
        if self.header == HEADER:
            start = left.x + 1
        self._rail(self.header - 1, start, right.x - 1, back, "◀")

    def _rail(self, y: int, start: int, end: int, state: str, head: str) -> None:
        room = end - start
        if room < 2 or not state:
            return
        rail = {"done": "─", "read": "━", "wrote": "━", "ahead": "┄"}[state] * (room - 1)
        glyph = GLYPH.get(state, " ").strip()
        if glyph:
            middle = len(rail) // 2
            rail = rail[:middle] + glyph + rail[middle + 1 :]
        style = state if state in ("read", "wrote") else ("dim" if head == "▶" else "gradient")
        if state == "ahead":
            style = "dim"
            head = {"▶": "▷", "◀": "◁"}[head]
        self.canvas.put(start, y, rail + head if head in "▶▷" else head + rail, style)


def _element(layer: Layer, row: int, column: int) -> Element | None:
    """Which element of its parameter the weight from one neuron to another is."""
    if layer.weight is None:
        return None
    into, out = layer.sizes
    return Element(layer.weight, column * out + row if layer.transposed else row * into + column)


def _bare(piece: Piece) -> Piece:
    """Without the room that is kept for longer numbers."""
    return piece[0].rstrip(), piece[1]


def _sign_style(number: float) -> str:
    return "negative" if display(str(number)).startswith("−") else "positive"
