"""HTTP transport for asyncio, on httpx."""

import asyncio
from contextlib import suppress
from typing import Any

import httpx

from sentiment_client._environment import proxy, tls_context
from sentiment_client._tokens import Token
from sentiment_client._transport import USER_AGENT, Answer, Request, Transport
from sentiment_client.errors import SentimentError


class AsyncTransport(Transport):
    """A transport on httpx."""

    pause = staticmethod(asyncio.sleep)

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        client = None
        # Suppresses httpx' own error, which may contain the proxy's password.
        with suppress(ImportError, ValueError, httpx.InvalidURL):
            client = httpx.AsyncClient(
                headers={"User-Agent": USER_AGENT},
                # Any number of connections; up to 64 idle ones are kept.
                limits=httpx.Limits(max_connections=None, max_keepalive_connections=64),
                proxy=proxy(self.address),
                trust_env=False,
                verify=tls_context(self.trusted) if self._is_secure() else False,
            )
        if client is None:
            raise ValueError(
                "httpx cannot use the proxy from the environment: it supports http:// and "
                "https://, and socks5:// with httpx[socks]."
            )
        self._client = client

    async def _exchange(self, request: Request, token: Token | None) -> Answer | SentimentError:
        connect, read = self.timeout_of(request)
        try:
            response = await self._client.request(
                request.method,
                self.address + request.path,
                params=request.params,
                content=request.body,
                headers=request.headers,
                auth=token,
                timeout=httpx.Timeout(read, connect=connect),
                follow_redirects=False,
            )
        except httpx.TimeoutException as error:
            return self._timed_out(sent=not isinstance(error, httpx.ConnectTimeout))
        except (httpx.UnsupportedProtocol, httpx.InvalidURL):
            return self._bad_address()
        except (httpx.HTTPError, UnicodeError, OSError) as error:
            return self._translated(error, sent=not isinstance(error, httpx.ConnectError))
        return Answer(response.status_code, response.content, response.headers)

    async def close(self) -> None:
        """Close the pooled connections."""
        await self._client.aclose()
