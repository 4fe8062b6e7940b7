#!/usr/bin/python3
"""An RTSP camera on the loopback interface, for the demo and for the tests.

    camera.py lobby=aac gate=g711 --size 640x360 --fps 30

Each argument NAME=KIND is a mount at rtsp://127.0.0.1:PORT/NAME; KINDS lists what there is. All viewers of a mount share
one pipeline, as with a real camera, unless --apart. The process is a separate one, and not part of a service, because a
camera is foreign: the services know of it only what RTSP says.

It prints, one line each:

    listening rtsp=127.0.0.1:PORT
    client connected mount=/lobby clients=1
    client disconnected mount=/lobby clients=0

A client counts from its first accepted DESCRIBE until its TCP connection closes.

The picture is drawn here rather than by GStreamer's text and test sources: the text plug-in comes in a package that
pulls in X11, and a stamp must carry the instant at which the frame goes to the encoder. That stamp is 40 black or white
blocks in two rows of 20 along the top: the wall clock in milliseconds modulo 2^32, most significant bit first, then 8
bits that check it.

Credentials come from the environment (CAMERA_CREDENTIALS=user:password with --auth), because everyone can read the
arguments of a process.
"""

import argparse
import os
import signal
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import Gio, GLib, Gst, GstRtsp, GstRtspServer  # noqa: E402

IPPROTO_TCP, TCP_NODELAY = 6, 1


# --- what a mount sends -------------------------------------------------------------------------------------------------

# The payloader repeats the parameter sets before every slice of a keyframe.
X264 = (
    "x264enc name=encoder threads=1 speed-preset=ultrafast key-int-max={gop} bitrate={kbps} vbv-buf-capacity=500 {tuning} "
    "option-string=scenecut=0:keyint={gop}:min-keyint={gop}:slices={slices} ! video/x-h264,profile={profile} "
    "! rtph264pay name=pay0 pt=96 config-interval=-1"
)
H264_SLICES = X264.replace("{tuning}", "tune=zerolatency").replace("{profile}", "baseline")
H264 = H264_SLICES.replace("{slices}", "1")
# Frames that refer forwards: decoding order is not presentation order.
H264_BFRAMES = X264.replace("{tuning}", "bframes=2 b-adapt=false rc-lookahead=0 sync-lookahead=0").replace(
    "{profile}", "main"
).replace("{slices}", "1")
H265 = (
    "x265enc name=encoder tune=zerolatency speed-preset=ultrafast key-int-max={gop} bitrate={kbps} "
    "option-string=scenecut=0:min-keyint={gop} "
    "! rtph265pay name=pay0 pt=96 config-interval=-1"
)
MJPEG = "jpegenc name=encoder quality=60 ! rtpjpegpay name=pay0 pt=26"

# 10 ms a buffer: the video waits for as much latency as the audio announces.
TONE = "audiotestsrc name=tone is-live=true wave=ticks samplesperbuffer={samples} ! audio/x-raw,rate={rate},channels=1"
AAC = TONE.format(rate=48000, samples=480) + (
    " ! audioconvert ! avenc_aac bitrate=64000 ! aacparse ! rtpmp4gpay name=pay{n} pt=97"
)
G711 = TONE.format(rate=8000, samples=80) + " ! alawenc ! rtppcmapay name=pay{n} pt=8 max-ptime=20000000"


@dataclass(frozen=True)
class Kind:
    """Codecs of a mount, and its distance between keyframes in seconds."""

    video: str | None
    audio: str | None = None
    gop: float = 1


KINDS = {
    "aac": Kind(H264, AAC),
    "silent": Kind(H264),
    "g711": Kind(H264, G711),
    "h265": Kind(H265),
    "bframes": Kind(H264_BFRAMES),
    "gop4": Kind(H264, gop=4),
    "slices": Kind(H264_SLICES),
    "mjpeg": Kind(MJPEG),
    "audio": Kind(None, AAC),
}


def launch(kind, options):
    """The pipeline of a mount, in gst-launch's notation."""
    tracks = []
    if kind.video:
        gop = round((options.gop or kind.gop) * options.fps)
        caps = f"video/x-raw,format=I420,width={options.width},height={options.height},framerate={options.fps}/1"
        tracks.append(
            f"appsrc name=frames is-live=true format=time max-buffers=8 leaky-type=downstream caps={caps} ! "
            + kind.video.format(gop=gop, kbps=options.bitrate, slices=4)
        )
    if kind.audio:
        tracks.append(kind.audio.format(n=len(tracks)))
    return f"( {' '.join(tracks)} )"


# --- the picture --------------------------------------------------------------------------------------------------------

STAMP_COLUMNS = 20
WHITE, BLACK = 225, 25
# 3x5 glyphs, a row of three bits each, top row first.
GLYPHS = dict(
    zip(
        "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ:.-/ ",
        "75557 26227 71747 71717 55711 74717 74757 71111 75757 75717 25755 65656 34443 65556 74647 74644 34553 55755 72227 "
        "11152 55655 44447 57755 75555 25552 65644 25573 65655 34216 72222 55557 55522 55775 55255 55222 71247 02020 00002 "
        "00700 11244 00000".split(),
    )
)


def check_byte(value):
    return (((value >> 24) ^ (value >> 16) ^ (value >> 8) ^ value ^ 0xA5) * 29) & 0xFF


class Picture:
    """Draws I420 frames: a scrolling textured gradient, the stamp, the name and a clock."""

    def __init__(self, width, height, title, stamped):
        self.width, self.height, self.title, self.stamped = width, height, title.upper(), stamped
        self.block = width // STAMP_COLUMNS
        period = 1200  # of both the bars (240) and the gradient (100)
        self.period = period
        self.row = bytes(
            (90 + (i * 7 & 63)) if i % 240 < 40 else 60 + i % 100 for i in (j % period for j in range(period + width))
        )
        half_w, half_h = width // 2, height // 2
        u = bytes(100 + x * 56 // half_w for x in range(half_w)) * half_h
        v = b"".join(bytes([100 + y * 56 // half_h]) * half_w for y in range(half_h))
        self.chroma = self.grey_behind_stamp(u) + self.grey_behind_stamp(v)

    def grey_behind_stamp(self, plane):
        if not self.stamped:
            return plane
        covered = self.block * (self.width // 2)
        return bytes([128]) * covered + plane[covered:]

    def frame(self, number, now_ms):
        w, row, period = self.width, self.row, self.period
        shift = number * 8
        luma = bytearray().join(row[o : o + w] for o in ((y + shift) % period for y in range(self.height)))
        if self.stamped:
            self.draw_stamp(luma, now_ms)
        scale = max(2, w // 160)
        top = self.height - 7 * scale
        clock = time.strftime("%H:%M:%S", time.localtime(now_ms / 1000)) + f".{now_ms % 1000 // 100}"
        self.draw_text(luma, self.title, scale * 2, top, scale)
        self.draw_text(luma, clock, w - (4 * len(clock) + 1) * scale, top, scale)
        return bytes(luma) + self.chroma

    def draw_stamp(self, luma, now_ms):
        value = now_ms % 2**32
        bits = f"{value:032b}{check_byte(value):08b}"
        size = self.block
        for start in (0, STAMP_COLUMNS):
            line = b"".join(
                bytes([WHITE if bit == "1" else BLACK]) * size for bit in bits[start : start + STAMP_COLUMNS]
            )
            for y in range(size):
                at = (start // STAMP_COLUMNS * size + y) * self.width
                luma[at : at + len(line)] = line

    def draw_text(self, luma, text, left, top, scale):
        """Draws white on a black ground, so that it reads on any picture."""
        ground = bytes([BLACK]) * scale
        ink = bytes([WHITE]) * scale
        for y in range(-1, 6):
            cells = [ground]
            for letter in text:
                bits = int(GLYPHS.get(letter, GLYPHS["-"])[y]) if 0 <= y < 5 else 0
                cells += [ink if bits & mask else ground for mask in (4, 2, 1)] + [ground]
            line = b"".join(cells)[: self.width - left]
            for dy in range(scale):
                at = (top + y * scale + dy) * self.width + left
                luma[at : at + len(line)] = line


class Drawing(threading.Thread):
    """Pushes a frame when it is due, until the pipeline refuses one."""

    def __init__(self, source, picture, fps):
        super().__init__(daemon=True)
        self.source, self.picture, self.fps = source, picture, fps

    def run(self):
        clock = self.source.get_clock()
        if clock is None:
            return
        first_pts = clock.get_time() - self.source.get_base_time()
        start = time.monotonic()
        number = 0
        while True:
            delay = start + number / self.fps - time.monotonic()
            if delay > 0:
                time.sleep(delay)
            # A machine that is too slow costs frames, as it does in a camera, and never a growing delay.
            number = max(number, int((time.monotonic() - start) * self.fps))
            data = self.picture.frame(number, time.time_ns() // 1_000_000)
            buffer = Gst.Buffer.new_wrapped(data)
            buffer.pts = first_pts + number * Gst.SECOND // self.fps
            buffer.duration = Gst.SECOND // self.fps
            if self.source.emit("push-buffer", buffer) != Gst.FlowReturn.OK:
                return
            number += 1


def lose_frames(encoder, one_in):
    """Drops one access unit in `one_in` behind the encoder, never a keyframe."""
    passed = 0

    def probe(_pad, info):
        nonlocal passed
        passed += 1
        if passed < one_in or not info.get_buffer().has_flags(Gst.BufferFlags.DELTA_UNIT):
            return Gst.PadProbeReturn.OK
        passed = 0
        return Gst.PadProbeReturn.DROP

    encoder.get_static_pad("src").add_probe(Gst.PadProbeType.BUFFER, probe)


def refuse_seeks(tone):
    """Says that the test tone cannot seek: the server otherwise seeks to the start for PLAY, which the frames refuse."""

    def probe(_pad, info):
        if info.get_query().type != Gst.QueryType.SEEKING:
            return Gst.PadProbeReturn.OK
        return Gst.PadProbeReturn.DROP

    tone.get_static_pad("src").add_probe(Gst.PadProbeType.QUERY_UPSTREAM, probe)


# --- the server ---------------------------------------------------------------------------------------------------------


class Camera:
    """The RTSP server with its mounts and the count of its clients."""

    def __init__(self, options):
        self.options = options
        self.clients = Counter()
        self.lock = threading.Lock()
        self.holder = None
        self.server = GstRtspServer.RTSPServer()
        self.server.set_address(options.address)
        self.server.set_service(str(options.port))
        self.server.connect("client-connected", self.on_client)
        self.credentials = None
        if options.auth:
            self.require_login()
        for name, kind in options.mounts:
            self.mount(name, KINDS[kind])

    def require_login(self):
        user, _, password = os.environ["CAMERA_CREDENTIALS"].partition(":")
        auth = GstRtspServer.RTSPAuth()
        token = GstRtspServer.RTSPToken()
        token.set_string(GstRtspServer.RTSP_TOKEN_MEDIA_FACTORY_ROLE, "viewer")
        if self.options.auth == "basic":
            auth.set_supported_methods(GstRtsp.RTSPAuthMethod.BASIC)
            auth.add_basic(GstRtspServer.RTSPAuth.make_basic(user, password), token)
        else:
            auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
            auth.add_digest(user, password, token)
        self.server.set_auth(auth)

    def mount(self, name, kind):
        factory = GstRtspServer.RTSPMediaFactory()
        factory.set_launch(launch(kind, self.options))
        factory.set_shared(not self.options.apart)
        factory.set_latency(0)
        factory.connect("media-configure", self.on_media, name)
        if self.options.auth:
            permissions = GstRtspServer.RTSPPermissions()
            permissions.add_permission_for_role("viewer", GstRtspServer.RTSP_PERM_MEDIA_FACTORY_ACCESS, True)
            permissions.add_permission_for_role("viewer", GstRtspServer.RTSP_PERM_MEDIA_FACTORY_CONSTRUCT, True)
            factory.set_permissions(permissions)
        self.server.get_mount_points().add_factory(f"/{name}", factory)

    def on_media(self, _factory, media, name):
        options = self.options
        bin_ = media.get_element()
        tone = bin_.get_by_name("tone")
        if tone is not None:
            refuse_seeks(tone)
        source = bin_.get_by_name("frames")
        if source is None:
            return
        if options.loss:
            lose_frames(bin_.get_by_name("encoder"), options.loss)
        picture = Picture(options.width, options.height, name, not options.plain)
        drawing = Drawing(source, picture, options.fps)

        def start(_source, _length):
            if not drawing.ident:
                drawing.start()

        source.connect("need-data", start)

    def on_client(self, _server, client):
        socket = client.get_connection().get_read_socket()
        socket.set_option(IPPROTO_TCP, TCP_NODELAY, 1)
        seen = []
        client.connect("describe-request", self.on_describe, seen)
        if self.options.single:
            client.connect("pre-setup-request", self.on_setup)
        client.connect("closed", self.on_closed, seen)

    def on_describe(self, _client, context, seen):
        if not seen:
            seen.append(context.uri.abspath)
            self.count("connected", seen[0], 1)

    def on_setup(self, client, context):
        """As cameras do that serve one client: the second is told so at SETUP (RFC 2326 section 11.3.14)."""
        sessions = context.session.get_sessionid() if context.session else None
        with self.lock:
            if self.holder is not None and self.holder is not client:
                say(f"client refused mount={context.uri.abspath} session={sessions}")
                return GstRtsp.RTSPStatusCode.NOT_ENOUGH_BANDWIDTH
            self.holder = client
        return GstRtsp.RTSPStatusCode.OK

    def on_closed(self, client, seen):
        with self.lock:
            if self.holder is client:
                self.holder = None
        if seen:
            self.count("disconnected", seen[0], -1)

    def count(self, what, mount, by):
        with self.lock:
            self.clients[mount] += by
            say(f"client {what} mount={mount} clients={self.clients[mount]}")

    def run(self):
        loop = GLib.MainLoop()
        for number in (signal.SIGTERM, signal.SIGINT):
            GLib.unix_signal_add(GLib.PRIORITY_DEFAULT, number, loop.quit)
        if not self.server.attach(None):
            sys.exit(f"cannot bind {self.options.address}:{self.options.port}")
        say(f"listening rtsp={self.options.address}:{self.server.get_bound_port()}")
        loop.run()


def say(line):
    print(line, flush=True)


def mount(text):
    name, separator, kind = text.rpartition("=")
    if not separator or kind not in KINDS:
        raise argparse.ArgumentTypeError(f"{text}: expected NAME=KIND with one of {', '.join(KINDS)}")
    return name, kind


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("mounts", nargs="+", type=mount, metavar="NAME=KIND", help=f"KIND is one of {', '.join(KINDS)}")
    parser.add_argument("--address", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=0, help="TCP port; 0 takes a free one (default: %(default)s)")
    parser.add_argument("--size", default="640x360", help="picture in pixels (default: %(default)s)")
    parser.add_argument("--fps", type=int, default=30, help="frames per second (default: %(default)s)")
    parser.add_argument("--bitrate", type=int, default=1000, help="of the video, in kbit/s (default: %(default)s)")
    parser.add_argument("--gop", type=float, help="seconds from keyframe to keyframe (default: the kind's)")
    parser.add_argument("--loss", type=int, metavar="N", help="drop one video frame in N, never a keyframe")
    parser.add_argument(
        "--apart",
        action="store_true",
        help="a pipeline for each client, where one whose machine lost power does not hold up the others",
    )
    parser.add_argument("--single", action="store_true", help="serve one client at a time, and refuse others at SETUP")
    parser.add_argument("--auth", choices=("basic", "digest"), help="ask for the login in CAMERA_CREDENTIALS")
    parser.add_argument("--plain", action="store_true", help="no time stamp blocks in the picture")
    options = parser.parse_args()
    options.width, options.height = (int(part) for part in options.size.split("x"))
    return options


if __name__ == "__main__":
    arguments = parse()
    Gst.init(None)
    Camera(arguments).run()
