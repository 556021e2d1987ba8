"""The server of this checkout and its front, as a profile configures them."""

from scripts.launcher.front import TEMPLATES, Front
from scripts.launcher.properties import Properties
from scripts.launcher.server import Server
from scripts.paths import ROOT

PROFILES = ("local", "production")
_RUN = ROOT / ".run"


def profile_server(profile: str) -> Server:
    """The server with config.properties, and for "production" also deploy/production.properties."""
    properties = Properties.read(ROOT / "config.properties")
    if profile == "production":
        _RUN.mkdir(exist_ok=True)
        changes = Properties.read(ROOT / "deploy" / "production.properties").values
        properties = properties.write(_RUN / "production.properties", **changes)
    return Server(
        properties,
        model_store=ROOT / "model_store",
        log_config=ROOT / "log4j2.xml",
        home=ROOT,
        run=_RUN,
    )


def profile_front(server: Server) -> Front:
    """The front of `server`, with deploy/nginx/front.properties."""
    return Front(Properties.read(TEMPLATES / "front.properties"), server, _RUN / "nginx")
