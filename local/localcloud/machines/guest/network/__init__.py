"""The machine's links, from netplan's files and DHCP's offers."""
