"""The pinned tools of the local stack: uses the installed ones and builds the others.

This package imports no other package of this repository and uses only public protocols.
`python -m toolchain ensure` makes every tool ready; `toolchain.kubernetes_provider` and
`toolchain.language_host` are the two plugins that cannot be built from Go modules.
"""
