"""HTTP/1.1 on asyncio, limited to what the cloud needs."""
