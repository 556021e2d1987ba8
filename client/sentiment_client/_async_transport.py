"""What transport.py does on requests, on httpx."""

import asyncio
from typing import Any

import httpx

from sentiment_client._tokens import Token
from sentiment_client._transport import Request, Transport


class AsyncTransport(Transport):
    """A transport on httpx."""

    pause = staticmethod(asyncio.sleep)

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        connect, read = self.timeout
        self._client = httpx.AsyncClient(
            timeout=httpx.Timeout(read, connect=connect),
            # As many connections as requests, of which so many are kept.
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=64),
            trust_env=self.trust_env,
        )

    async def _try(self, request: Request, token: Token | None) -> tuple[int, bytes]:
        try:
            response = await self._client.request(
                request.method,
                self.address + request.path,
                params=request.params,
                content=request.body,
                headers=request.headers,
                auth=token,
            )
        except httpx.TimeoutException as error:
            raise self._timed_out(sent=not isinstance(error, httpx.ConnectTimeout)) from error
        except httpx.HTTPError as error:
            sent = not isinstance(error, httpx.ConnectError)
            raise self._failed(type(error).__name__, sent=sent) from error
        return response.status_code, response.content

    async def close(self) -> None:
        """Close the pooled connections."""
        await self._client.aclose()
