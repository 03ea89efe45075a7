"""The parts of the local cloud's virtual machines: packages, a disk image, an emulator.

Everything comes from Debian's packages, whose versions and digests `packages.json` locks. They are
downloaded by `apt-get`, unpacked below one folder and never installed into this system. This
package does not use instances, VPCs or the emulated cloud; `localcloud.machines` starts the
machines.
"""
