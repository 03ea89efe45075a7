"""What the local stack runs on: pinned tools, found where they are installed, built where not.

Imports nothing of ours and knows only public protocols. `python -m toolchain ensure` brings
everything; `toolchain.kubernetes_provider` and `toolchain.language_host` are the two plugins that
cannot be built from Go modules.
"""
