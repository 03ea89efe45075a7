"""HTTP/1.1 on asyncio, as little as the cloud needs."""
