"""What a page sends over the server's socket, and the answers.

Frames in both directions: uint32 length of the header, the header as JSON in UTF-8, then the payload.
`python -m tests.write_contract` writes them as web/src/contract.ts.
"""

from typing import Literal, NotRequired, TypedDict

from zatlas.site.schema import ChartEntry


class Request(TypedDict):
    """A request that the page sends over the socket."""

    id: int
    run: str
    stream: NotRequired[str]  # a newer request of a stream replaces those that wait


class DecodeRequest(Request):
    """float32 (n, dim) -> images"""

    kind: Literal["decode"]
    n: int
    labels: NotRequired[list[int]]
    coarse: NotRequired[bool]  # the quick previews, see RunEntry


class EncodeRequest(Request):
    """uint8 (n, c, h, w) -> latents"""

    kind: Literal["encode"]
    n: int
    labels: NotRequired[list[int]]


class GeodesicRequest(Request):
    """float32 (2, dim) -> latents"""

    kind: Literal["geodesic"]
    label: NotRequired[int]


class NeighborsRequest(Request):
    """float32 (n, dim) -> neighbors"""

    kind: Literal["neighbors"]
    n: int
    k: int


class ImageRequest(Request):
    """The real image of a row of `table`, or of a rank beyond -> images"""

    kind: Literal["image"]
    row: int


class LatentRequest(Request):
    """The latent of a row of `table`, or of a rank beyond -> latents"""

    kind: Literal["latent"]
    row: int


class ChartRequest(Request):
    """Another layout -> chart"""

    kind: Literal["chart"]
    layout: str
    by: NotRequired[str]


class TimelineRequest(Request):
    """A timeline as JSON, to be saved in the run under a name -> saved"""

    kind: Literal["timeline"]
    name: str


ServerRequest = (
    DecodeRequest
    | EncodeRequest
    | GeodesicRequest
    | NeighborsRequest
    | ImageRequest
    | LatentRequest
    | ChartRequest
    | TimelineRequest
)


class ImagesAnswer(TypedDict):
    """uint8 (n, c, h, w)"""

    id: int
    kind: Literal["images"]
    shape: tuple[int, int, int, int]


class LatentsAnswer(TypedDict):
    """float32 (n, dim)"""

    id: int
    kind: Literal["latents"]
    shape: tuple[int, int]


class NeighborsAnswer(TypedDict):
    """int32 rows of `table` (n, k), then float32 distances (n, k)"""

    id: int
    kind: Literal["neighbors"]
    shape: tuple[int, int]


class ChartAnswer(TypedDict):
    """float32 positions (count, 2); the lattice and the coverage are at the URLs"""

    id: int
    kind: Literal["chart"]
    chart: ChartEntry


class SavedAnswer(TypedDict):
    """The file that was written."""

    id: int
    kind: Literal["saved"]
    path: str


class DroppedAnswer(TypedDict):
    """A newer request of the stream replaced this one."""

    id: int
    kind: Literal["dropped"]


class ErrorAnswer(TypedDict):
    """Why a request has no answer."""

    id: int
    kind: Literal["error"]
    code: str
    message: str
    hint: str


ServerAnswer = (
    ImagesAnswer | LatentsAnswer | NeighborsAnswer | ChartAnswer | SavedAnswer | DroppedAnswer | ErrorAnswer
)
