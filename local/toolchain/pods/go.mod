module spiderpool-alicloud.local/toolchain/pods

go 1.26.0
