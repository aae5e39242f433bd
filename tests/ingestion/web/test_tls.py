from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from tercet.errors import SourceError
from tercet.ingestion.web import mirror
from tercet.settings import WebLimits
from tests.ingestion.web.server import Response, Site, serve, states

# Made for these tests, valid for docs.test until 2126.
KEY = """-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgzA4IXF5GiVxO/NjF
NNtmAi9PvAEDik2iy6Pg1gGEv3WhRANCAAQ4LO3kriwW24b+uekcnJgzyqqW3b0z
dEQPq48BXjS0qprTD7Xr4XmFGVgCF4ZEyXvqmwUUAG5k/6rNTdKmgM7R
-----END PRIVATE KEY-----
"""
CERTIFICATE = """-----BEGIN CERTIFICATE-----
MIIBljCCATugAwIBAgIUFUgKq2Rnfv9UTxU3itjvQAB38d0wCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJZG9jcy50ZXN0MCAXDTI2MTEyMTA2MTI0MloYDzIxMjYxMDI4
MDYxMjQyWjAUMRIwEAYDVQQDDAlkb2NzLnRlc3QwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAAQ4LO3kriwW24b+uekcnJgzyqqW3b0zdEQPq48BXjS0qprTD7Xr4XmF
GVgCF4ZEyXvqmwUUAG5k/6rNTdKmgM7Ro2kwZzAdBgNVHQ4EFgQUXTMPePlu127P
WZgNsMqnkCK+sVAwHwYDVR0jBBgwFoAUXTMPePlu127PWZgNsMqnkCK+sVAwDwYD
VR0TAQH/BAUwAwEB/zAUBgNVHREEDTALgglkb2NzLnRlc3QwCgYIKoZIzj0EAwID
SQAwRgIhAKHNz67quasIYgMOTpB2DDYtjDzx89brMt7S//wG/sUnAiEA7Q3bfoZb
Az92dTCJ/IisIQ0SuymrQuaRaW8R7rH9e7Y=
-----END CERTIFICATE-----
"""


class Secure:
    """A site behind TLS, and the server names that clients asked it for."""

    def __init__(self, site: Site, folder: Path) -> None:
        self.site = site
        self.names: list[str | None] = []
        (folder / "key.pem").write_text(KEY)
        (folder / "certificate.pem").write_text(CERTIFICATE)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "certificate.pem", folder / "key.pem")
        context.sni_callback = lambda _socket, name, _context: self.names.append(name)
        site.socket = context.wrap_socket(site.socket, server_side=True)

    def take(self, host: str, folder: Path, *, trust: bool = True, **options):
        return mirror(
            f"https://{host}:{self.site.port}/a.html",
            folder,
            limits=WebLimits(requests_per_second=1000.0),
            allow_private=True,
            resolve=lambda *_: ["127.0.0.1"],
            ssl_context=ssl.create_default_context(cadata=CERTIFICATE) if trust else None,
            **options,
        )


@pytest.fixture
def secure(tmp_path: Path):
    serving = serve()
    yield Secure(next(serving), tmp_path)
    next(serving, None)


def test_the_server_name_and_certificate_are_those_of_the_url(secure, tmp_path) -> None:
    secure.site.pages(a="A")

    report = secure.take("docs.test", tmp_path / "mirror")

    assert states(report) == {"/a.html": "fetched"}
    assert set(secure.names) == {"docs.test"}
    assert report.pages[0].path == f"docs.test~{secure.site.port}/a.html"


def test_a_certificate_of_another_host_is_refused(secure, tmp_path) -> None:
    with pytest.raises(SourceError, match="CERTIFICATE_VERIFY_FAILED"):
        secure.take("other.test", tmp_path / "mirror")
    assert secure.site.requests == []


def test_a_certificate_that_nobody_vouches_for_is_refused(secure, tmp_path) -> None:
    with pytest.raises(SourceError, match="CERTIFICATE_VERIFY_FAILED"):
        secure.take("docs.test", tmp_path / "mirror", trust=False)


def test_a_redirect_from_https_to_http_is_refused_unless_allowed(secure, site, tmp_path) -> None:
    secure.site.routes["/a.html"] = Response(status=301, headers={"Location": f"http://docs.test:{site.port}/a.html"})

    with pytest.raises(SourceError, match="from https to http"):
        secure.take("docs.test", tmp_path / "mirror")
    with pytest.raises(SourceError, match=f"lies at port {site.port}"):
        secure.take("docs.test", tmp_path / "mirror", allow_downgrade=True)
