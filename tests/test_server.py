import asyncio
import contextlib
import json
import socket
import threading
import time
from http.cookiejar import CookieJar
from urllib.error import HTTPError
from urllib.request import HTTPCookieProcessor, build_opener, urlopen

import numpy as np
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from tests.serving import FILES, Page, frame, get, raw
from zatlas.core.errors import BadData, Damaged
from zatlas.latent.neighbors import nearest
from zatlas.sample import sample_latents
from zatlas.server import app, handlers, protocol
from zatlas.server.access import access_policy
from zatlas.server.assets import AssetStore
from zatlas.server.queues import Decoder, DecodeScheduler, Decoding
from zatlas.server.serve import CannotServe, Server, serving


@pytest.fixture(scope="module")
def server(digits, wide):
    """Two runs, served as they would be to a browser."""
    with serving([digits, wide], points=300, files=FILES) as result:
        get(result.url, "/data/manifest.json")  # waits until the runs are shown
        yield result


@pytest.fixture
def run_a(server):
    return server.explorer.handlers["a"]


# Requests over the WebSocket


def test_the_server_decodes_as_the_model_does(server, digits):
    z = sample_latents(digits, 40, seed=1)
    with Page(server.url) as page:
        answer, pixels = page.request("decode", z.tobytes(), n=len(z))
    assert answer["kind"] == "images" and answer["shape"] == [40, 1, 8, 8]
    assert np.abs(pixels / 255 - digits.decode(z)).max() <= 0.5 / 255 + 1e-6


def test_each_run_answers_for_itself(server, wide):
    z = sample_latents(wide, 3, seed=2)
    with Page(server.url, run="b") as page:
        _, pixels = page.request("decode", z.tobytes(), n=3)
    assert np.abs(pixels / 255 - wide.decode(z)).max() <= 0.5 / 255 + 1e-6


def test_images_are_encoded(server, digits):
    x = digits.dataset.pixels[:5]
    with Page(server.url) as page:
        _, z = page.request("encode", x.tobytes(), n=5)
    assert np.allclose(z, digits.generator.encode(digits.dataset.images(np.arange(5))), atol=1e-4)


def test_a_row_has_its_image_and_its_latent(server, run_a, digits):
    with Page(server.url) as page:
        _, image = page.request("image", row=7)
        _, latent = page.request("latent", row=7)
    assert (image[0] == digits.dataset.pixels[run_a.tree.rows[7]]).all()
    assert (latent[0] == run_a.tree.latents[7]).all()


def test_the_nearest_neighbors_are_exact(server, run_a, digits):
    z = sample_latents(digits, 4, seed=3)
    with Page(server.url) as page:
        answer, payload = page.request("neighbors", z.tobytes(), n=4, k=6)
    rows, distances = nearest(z, run_a.tree.latents, 6)
    assert answer["kind"] == "neighbors" and answer["shape"] == [4, 6]
    assert (np.frombuffer(payload[:96], "<i4").reshape(4, 6) == rows).all()
    assert np.allclose(np.frombuffer(payload[96:], "<f4").reshape(4, 6), distances, atol=1e-4)


def test_a_geodesic_connects_two_latents(server, digits):
    z = sample_latents(digits, 2, seed=4)
    with Page(server.url) as page:
        answer, curve = page.request("geodesic", z.tobytes())
    assert answer["kind"] == "latents"
    assert np.allclose(curve[[0, -1]], z, atol=1e-5)


def test_a_new_chart_has_positions_and_files(server):
    with Page(server.url, run="b") as page:
        answer, payload = page.request("chart", layout="pca", by=None)
    assert answer["kind"] == "chart"
    chart, tree = answer["chart"], server.explorer.handlers["b"].tree
    positions = np.frombuffer(payload, "<f4").reshape(len(tree.latents), 2)
    left, bottom, right, top = chart["box"]
    assert (positions >= [left, bottom]).all() and (positions <= [right, top]).all()
    n = chart["lattice"]["n"]
    assert len(get(server.url, "/" + chart["lattice"]["url"])[2]) == n * n * 12 * 2
    assert len(get(server.url, "/" + chart["coverage"])[2]) == n * n


@pytest.mark.slow
def test_a_conditional_model_decodes_by_label(conditional):
    z, labels = sample_latents(conditional, 3, seed=0), [1, 5, 9]
    with serving([conditional], points=100, files=FILES) as result, Page(result.url) as page:
        _, pixels = page.request("decode", z.tobytes(), n=3, labels=labels)
        expected = conditional.decode(z, label=np.array(labels))
        assert np.abs(pixels / 255 - expected).max() <= 0.5 / 255 + 1e-6
        for bad in ([1, 2], [1, 2, 10], [1, 2, -1], [1, 2, 0.5], [True, 1, 2], "abc", {}):
            answer, _ = page.request("decode", z.tobytes(), n=3, labels=bad)
            assert answer["kind"] == "error" and answer["code"] == "bad-labels"
        answer, curve = page.request("geodesic", z[:2].tobytes(), label=4)
        assert answer["kind"] == "latents" and np.isfinite(curve).all()


def test_samples_have_no_real_images(rival):
    with serving([rival], points=100, files=FILES) as result, Page(result.url) as page:
        assert page.request("image", row=0)[0]["code"] == "no-images"
        assert page.request("encode", bytes(64), n=1)[0]["code"] == "not-supported"
        assert page.request("latent", row=0)[0]["kind"] == "latents"


NAN = np.full((1, 2), np.nan, "<f4").tobytes()
BAD = {
    "unknown-run": ({"run": "c", "kind": "latent", "row": 0}, b""),
    "unknown-kind": ({"kind": "run"}, b""),
    "bad-number": ({"kind": "decode", "n": 10**6}, b""),
    "bad-shape": ({"kind": "decode", "n": 1}, bytes(7)),
    "bad-latents": ({"kind": "decode", "n": 1}, NAN),
    "bad-id": ({"id": "one", "kind": "latent"}, b""),
    "bad-text": ({"kind": "latent", "row": 0, "stream": 3}, b""),
    "unknown-name": ({"kind": "chart", "layout": "../../etc/passwd"}, b""),
}


@pytest.mark.parametrize("code", BAD)
def test_a_bad_request_gets_an_error_and_the_next_is_answered(server, code):
    header, payload = BAD[code]
    with Page(server.url) as page:
        page.socket.send(frame({"id": 5, "run": "a", **header}, payload))
        answer, _ = page.receive()
        assert answer["kind"] == "error" and answer["code"] == code
        assert answer["message"] and "Traceback" not in answer["message"]
        assert page.request("latent", row=0)[0]["kind"] == "latents"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"abc",
        b"\xff\xff\xff\xff",
        b"\2\0\0\0[]",
        frame(b"[" * 60_000),
        frame(b'{"id": NaN}'),
        frame(b'{"id": 1' + b"0" * 5000 + b"}"),
        frame(b"\xff\xfe"),
        frame(b"1" * 60_000),
    ],
)
def test_an_invalid_frame_gets_an_error(server, data):
    with Page(server.url) as page:
        page.socket.send(data)
        assert page.receive()[0]["kind"] == "error"


def test_many_invalid_frames_close_the_socket(server):
    with Page(server.url) as page, pytest.raises(ConnectionClosed) as closed:
        for _ in range(100):
            page.socket.send(b"nonsense")
            page.receive()
    assert closed.value.rcvd.code == 1008


def test_a_message_that_is_too_long_closes_the_socket(server):
    with Page(server.url) as page, pytest.raises(ConnectionClosed) as closed:
        page.socket.send(bytes(64 << 20))
        page.receive()
    assert closed.value.rcvd is None or closed.value.rcvd.code == 1009


def test_a_newer_request_of_a_stream_replaces_the_older_and_all_are_answered(server, digits):
    z = sample_latents(digits, 1, seed=0).tobytes()
    with Page(server.url) as page:
        sent = [page.send("decode", z, n=1, stream="hover") for _ in range(60)]
        answers = [page.receive()[0] for _ in sent]
    assert sorted(answer["id"] for answer in answers) == sent
    kinds = {answer["id"]: answer["kind"] for answer in answers}
    assert set(kinds.values()) <= {"images", "dropped"} and kinds[sent[-1]] == "images"


def test_too_many_pending_requests_are_busy(server, digits):
    z = np.repeat(sample_latents(digits, 1, seed=0), 4000, axis=0).tobytes()
    with Page(server.url) as page:
        sent = [page.send("decode", z, n=4000) for _ in range(200)]
        answers = [page.receive()[0] for _ in sent]
    latents = {answer.get("code") for answer in answers}
    assert latents == {None, "busy"}


# Sharing the decoder


def decode_calls(requests, rows=32):
    """The rows of each decoder call for requests (client, rows), and the order of the clients' answers."""
    calls, done = [], []

    def decode(z, labels):
        calls.append(len(z))
        return z.astype(np.uint8).reshape(-1, 1, 1, 1)

    async def run_all():
        queue, loop = DecodeScheduler("decoder", 60), asyncio.get_running_loop()
        decoder = Decoder(decode, rows)
        decoder.measure = lambda *_: None
        futures = []
        for client, count in requests:
            z = np.arange(count, dtype=np.float32)[:, None]
            future = loop.create_future()
            future.add_done_callback(lambda _, client=client: done.append(client))
            futures.append(future)
            queue.add(Decoding(client, None, future, decoder, z, None))
        work = asyncio.create_task(queue.run())
        results = await asyncio.gather(*futures)
        work.cancel()
        queue.close()
        return results

    result = asyncio.run(run_all())
    for (_, count), pixels in zip(requests, result, strict=True):
        assert (pixels.ravel() == np.arange(count).astype(np.uint8)).all()
    return calls, done


def test_requests_of_several_pages_are_decoded_in_one_call():
    calls, _ = decode_calls([(client, 1) for client in range(20)])
    assert calls == [20]


def test_a_large_request_does_not_delay_small_ones():
    calls, done = decode_calls([("large", 1000), ("small", 1), ("medium", 20), ("small", 1)])
    assert done[-1] == "large" and done.index("medium") < 3
    assert max(calls) <= 32


# Files


def test_files_have_their_types_and_are_not_sent_twice(server):
    for path, kind in (
        ("/", "text/html; charset=utf-8"),
        ("/assets/app.js", "text/javascript; charset=utf-8"),
        ("/runtime/some.mjs", "text/javascript; charset=utf-8"),
        ("/runtime/some.wasm", "application/wasm"),
        ("/data/manifest.json", "application/json"),
        ("/data/a/table.arrow", "application/vnd.apache.arrow.stream"),
    ):
        status, headers, body = get(server.url, path)
        assert (status, headers["content-type"]) == (200, kind)
        assert headers["x-content-type-options"] == "nosniff" and len(body) > 0
        loaded, headers, nothing = get(server.url, path, if_none_match=headers["etag"])
        assert (loaded, nothing) == (304, b"")
        status, headers, nothing = get(server.url, path, "HEAD")
        assert (status, nothing, headers["content-length"]) == (200, b"", str(len(body)))
    assert "no-cache" in get(server.url, "/data/manifest.json")[1]["cache-control"]
    assert "immutable" in get(server.url, "/assets/app.js")[1]["cache-control"]


def test_every_file_of_the_tree_is_served(server):
    for tree in server.explorer.trees.values():
        for url in tree.files:
            assert get(server.url, f"/{url}")[0] == 200, url


def test_concurrent_requests_for_a_file_make_it_once():
    created = []

    def slow():
        created.append(threading.current_thread().name)
        time.sleep(0.2)
        return b"x" * 1000

    async def both():
        assets = AssetStore(compress=True)
        assets.put({"a.txt": slow})
        results = await asyncio.gather(*(assets.get("a.txt") for _ in range(5)))
        assets.close()
        return results

    result = asyncio.run(both())
    assert len(created) == 1 and created[0] != threading.main_thread().name
    assert all(file is result[0] for file in result) and len(result[0].compressed) < 100


# Access

CSP = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; "
    "style-src 'self'; img-src 'self' blob: data:; media-src blob:; font-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def test_every_response_has_the_security_headers(server):
    for path in ("/", "/data/manifest.json", "/none"):
        headers = get(server.url, path)[1]
        assert headers["content-security-policy"] == CSP
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cross-origin-resource-policy"] == "same-origin"


@pytest.mark.parametrize(
    "path",
    [
        "/../pyproject.toml",
        "/%2e%2e/%2e%2e/etc/passwd",
        "//etc/passwd",
        "/assets/../../serve.py",
        "/data/a/../../recipe.toml",
        "/assets/%00",
        "/data/a/",
        "/assets",
        "/..%5c..%5cx",
        "/socket",
    ],
)
def test_only_known_files_are_served(server, path):
    assert get(server.url, path)[0] == 404


def test_other_names_and_other_origins_are_refused(server):
    own = server.url.rstrip("/")
    assert get(server.url, "/", origin=own)[0] == 200
    for headers in (
        {"host": "evil.example"},
        {"host": f"evil.example:{server.port}"},
        {"host": "127.0.0.1"},
        {"host": f"127.0.0.1.evil.example:{server.port}"},
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": f"http://localhost:{server.port}"},
        {"sec_fetch_site": "cross-site", "sec_fetch_mode": "no-cors"},
        {"sec_fetch_site": "same-site", "sec_fetch_mode": "cors"},
    ):
        assert get(server.url, "/", **headers)[0] == 403, headers
    assert get(server.url, "/", host=f"localhost:{server.port}")[0] == 200


@pytest.mark.parametrize("origin", [None, "http://evil.example", "null", "http://localhost"])
def test_a_socket_of_another_origin_is_refused(server, origin):
    address = server.url.replace("http", "ws") + "socket"
    with pytest.raises(InvalidStatus) as refused, connect(address, origin=origin):
        pass
    assert refused.value.response.status_code == 403


def test_files_are_only_read(server):
    for method in ("POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"):
        assert get(server.url, "/", method)[0] == 405
    assert get(server.url, "/", "GET", b"body")[0] == 413


def test_over_a_network_the_link_is_required_and_works_once(digits):
    with serving([digits], points=50, files=FILES) as result:
        access = access_policy({"127.0.0.1"}, result.port, host="192.0.2.1", framed=False)
        link, result.explorer.access = access.link_token, access
        address = result.url.replace("http", "ws") + "socket"
        assert get(result.url, "/data/manifest.json")[0] == 403
        assert get(result.url, "/?token=wrong")[0] == 403
        assert get(result.url, f"/?token={link}", "HEAD")[0] == 403  # HEAD does not use up the link
        status, headers, _ = get(result.url, f"/?token={link}")
        assert status == 200 and headers["refresh"] == "0; url=./"
        cookie, *rules = headers["set-cookie"].split("; ")
        assert set(rules) == {"HttpOnly", "SameSite=Strict", "Path=/"}
        assert get(result.url, f"/?token={link}")[0] == 403
        assert get(result.url, "/", cookie=cookie)[0] == 200
        assert get(result.url, "/", cookie=cookie + "x")[0] == 403
        own = result.url.rstrip("/")
        with pytest.raises(InvalidStatus), connect(address, origin=own):
            pass
        with connect(address, origin=own, additional_headers={"cookie": cookie}):
            pass


def test_an_incomplete_head_closes_the_connection(server, monkeypatch):
    limit = protocol.HEAD_SECONDS
    monkeypatch.setattr(protocol, "HEAD_SECONDS", 0.3)
    begun = time.monotonic()
    assert raw(server.url, b"GET / HTTP/1.1\r\nHost: 127") == b""
    assert raw(server.url, b"") == b""
    assert time.monotonic() - begun < limit


@pytest.mark.slow
def test_an_incomplete_message_closes_the_connection(digits, monkeypatch):
    monkeypatch.setattr(protocol, "PING_SECONDS", 0.6)
    with serving([digits], points=50, files=FILES) as result, Page(result.url) as page:
        time.sleep(1.5)  # a client that answers pings stays
        assert page.request("latent", row=0)[0]["kind"] == "latents"
        page.socket.socket.sendall(b"\x82\xfe\x10\x00")  # announces a message of 4 KiB
        with pytest.raises(ConnectionClosed):
            page.receive()


def test_a_client_that_does_not_read_is_disconnected(digits, monkeypatch):
    monkeypatch.setattr(protocol, "RECEIVE_SECONDS", 0.5)
    z = np.repeat(sample_latents(digits, 1, seed=0), 4000, axis=0).tobytes()
    with serving([digits], points=50, files=FILES) as result:
        key = b"Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\nSec-WebSocket-Version: 13\r\n"
        host = result.url.split("/")[2].encode()
        with socket.create_connection(("127.0.0.1", result.port)) as mute:
            mute.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            mute.sendall(
                b"GET /socket HTTP/1.1\r\nHost: "
                + host
                + b"\r\nOrigin: http://"
                + host
                + b"\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                + key
                + b"\r\n"
            )
            text = frame({"id": 1, "run": "a", "kind": "decode", "n": 4000}, z)
            head = b"\x82\xff" + len(text).to_bytes(8, "big") + bytes(4)
            with contextlib.suppress(OSError):
                for _ in range(100):
                    mute.sendall(head + text)
            until(lambda: not result.explorer.clients)


def until(condition):
    """Wait until a condition holds."""
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


# Errors


def fails(error):
    def make():
        raise error

    return make


def test_an_unexpected_error_is_a_500_with_an_id_in_the_log(server, caplog):
    server.explorer.assets.put({"data/a/broken.f16": fails(OSError("/home/someone/secret"))})
    status, headers, body = get(server.url, "/data/a/broken.f16")
    answer = json.loads(body)
    assert status == 500 and answer.keys() == {"code", "message", "hint", "id"}
    assert b"secret" not in body and b"Traceback" not in body
    assert headers["content-security-policy"] == CSP
    (line,) = [line for line in caplog.records if answer["id"] in line.getMessage()]
    assert line.exc_info is not None and "secret" in str(line.exc_info[1])
    assert get(server.url, "/data/a/none.f16")[0] == 404


@pytest.mark.parametrize("error, wanted", [(BadData("No images."), 422), (Damaged("Bytes."), 409)])
def test_an_error_of_the_run_is_no_500_and_has_its_message(server, caplog, error, wanted):
    server.explorer.assets.put({"data/a/broken.f16": fails(error)})
    status, _, body = get(server.url, "/data/a/broken.f16")
    assert status == wanted and json.loads(body)["message"] == str(error)
    assert not caplog.records


def test_an_unexpected_error_of_the_socket_has_an_id_in_the_log(server, monkeypatch, caplog):
    monkeypatch.setattr(handlers.RunHandlers, "_latent", fails(OSError("/home/someone/secret")))
    with Page(server.url) as page:
        answer, _ = page.request("latent", row=0)
        assert answer["kind"] == "error" and answer["code"] == "internal"
        assert "secret" not in str(answer)
        assert [line for line in caplog.records if answer["error"] in line.getMessage()]
        assert page.request("image", row=0)[0]["kind"] == "images"


def test_a_model_that_never_returns_blocks_no_other_run(digits, wide, monkeypatch):
    monkeypatch.setitem(app.SECONDS, "decoder", 0.3)
    never = threading.Event()
    with serving([digits, wide], points=50, files=FILES) as result:
        get(result.url, "/data/manifest.json")  # waits until the runs are shown
        decoder = result.explorer.handlers["a"].decoder
        original, decoder.decode = decoder.decode, lambda *_: never.wait(60)
        z, other = sample_latents(digits, 1, seed=0).tobytes(), sample_latents(wide, 1, seed=0).tobytes()
        with Page(result.url) as stuck, Page(result.url, run="b") as good:
            stuck.send("decode", z, n=1)
            assert good.request("decode", other, n=1)[0]["kind"] == "images"
            assert stuck.receive()[0]["code"] == "call-timeout"
            begun = time.monotonic()
            assert stuck.request("decode", z, n=1)[0]["code"] == "call-timeout"
            assert time.monotonic() - begun < 0.3  # no second call started
            assert stuck.request("latent", row=0)[0]["kind"] == "latents"
            never.set()
            decoder.decode = original
            until(lambda: not result.explorer.busy)
            assert stuck.request("decode", z, n=1)[0]["kind"] == "images"


def test_two_servers_with_a_token_share_one_browser(digits):
    jar = CookieJar()
    browser = build_opener(HTTPCookieProcessor(jar))
    first, second = (Server(1 << 20, port=0, token=True, files=FILES) for _ in range(2))
    try:
        for server in (first, second):
            assert "?token=" in server.url
            with pytest.raises(HTTPError, match="403"):
                urlopen(address_without_token(server))
            assert browser.open(server.url).status == 200
        for server in (first, second, first):
            assert browser.open(address_without_token(server)).status == 200
            with pytest.raises(HTTPError, match="403"):
                urlopen(server.url)  # the link has expired
    finally:
        first.close()
        second.close()


def address_without_token(server):
    return f"http://127.0.0.1:{server.port}/"


# Starting and stopping


def test_a_port_in_use_is_one_sentence(server):
    with pytest.raises(CannotServe, match=rf"^Port {server.port} is in use by another program\."):
        Server(1 << 20, port=server.port, files=FILES)


def test_a_server_leaves_no_thread_behind(digits):
    before = set(threading.enumerate())
    with serving([digits], points=50, files=FILES) as result, Page(result.url) as page:
        page.request("latent", row=0)
    until(lambda: set(threading.enumerate()) <= before)
