# The yardstick for OpenTofu: the resources of ../flat, from the same file, with the same provider.

terraform {
  required_providers {
    alicloud = { source = "aliyun/alicloud" }
  }
}

variable "cloud" {
  description = "The file with the resources, `benchmarks.stacks.Cloud` as JSON."
  type        = string
}

locals {
  cloud = jsondecode(file(var.cloud))
  enis = merge([
    for name, machine in local.cloud.machines : {
      for nic, eni in machine.enis : "${name}-${nic}" => eni
    }
  ]...)
}

provider "alicloud" {
  region       = local.cloud.region
  account_type = "Domestic"
  protocol     = "HTTPS"
  access_key   = "localcloud"
  secret_key   = "localcloud-secret-not-real"
  endpoints {
    ecs        = local.cloud.endpoint
    vpc        = local.cloud.endpoint
    sts        = local.cloud.endpoint
    bssopenapi = local.cloud.endpoint
    location   = local.cloud.endpoint
  }
}

resource "alicloud_vpc" "bench" {
  vpc_name   = "bench"
  cidr_block = local.cloud.vpc_cidr
  tags       = local.cloud.tags
}

resource "alicloud_vpc_ipv4_cidr_block" "secondary" {
  for_each             = toset(local.cloud.secondary_cidrs)
  vpc_id               = alicloud_vpc.bench.id
  secondary_cidr_block = each.value
}

resource "alicloud_vswitch" "bench" {
  for_each     = local.cloud.vswitches
  vswitch_name = each.value.name
  vpc_id       = alicloud_vpc.bench.id
  cidr_block   = each.value.cidr
  zone_id      = each.value.zone
  tags         = local.cloud.tags
  depends_on   = [alicloud_vpc_ipv4_cidr_block.secondary]
}

resource "alicloud_security_group" "bench" {
  security_group_name = "bench"
  vpc_id              = alicloud_vpc.bench.id
  inner_access_policy = local.cloud.inner_access_policy
  tags                = local.cloud.tags
}

resource "alicloud_security_group_rule" "bench" {
  for_each          = local.cloud.rules
  security_group_id = alicloud_security_group.bench.id
  nic_type          = "intranet"
  policy            = "accept"
  type              = each.value.type
  ip_protocol       = each.value.ip_protocol
  port_range        = each.value.port_range
  cidr_ip           = each.value.cidr_ip
  priority          = each.value.priority
}

resource "alicloud_ecs_network_interface" "bench" {
  for_each               = local.enis
  network_interface_name = each.key
  vswitch_id             = alicloud_vswitch.bench[each.value.vswitch].id
  security_group_ids     = [alicloud_security_group.bench.id]
  primary_ip_address     = each.value.primary
  private_ip_addresses   = each.value.pods
  delete_on_release      = false
  tags                   = local.cloud.tags
}

resource "alicloud_instance" "bench" {
  for_each             = local.cloud.machines
  instance_name        = each.key
  host_name            = each.key
  instance_type        = each.value.instance_type
  image_id             = each.value.image
  network_interface_id = alicloud_ecs_network_interface.bench["${each.key}-eth0"].id
  network_interfaces {
    network_interface_id = alicloud_ecs_network_interface.bench["${each.key}-eth1"].id
  }
  http_endpoint        = "enabled"
  http_tokens          = "required"
  system_disk_category = each.value.disk_category
  system_disk_size     = each.value.disk_size
  instance_charge_type = "PostPaid"
  tags                 = local.cloud.tags
}

output "instances" {
  value = { for name, instance in alicloud_instance.bench : name => instance.id }
}
