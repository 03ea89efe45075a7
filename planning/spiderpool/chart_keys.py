"""The keys of Spiderpool's chart 1.2.2, and the kind of value that each takes.

Helm accepts unknown keys without a message. So all keys are listed here, and a misspelt one is
refused before there is a cluster. Source: `charts/spiderpool/values.yaml` of tag v1.2.2; v1.2.1
differs in no key.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

Keys = Mapping[str, object]
"""A key's kind: a type, or the keys below it. `dict` is a free map, for example labels."""

_RESOURCES: Final[Keys] = {"limits": dict, "requests": dict}
_PROBE: Final[Keys] = {"failureThreshold": int, "periodSeconds": int}
_PROBES: Final[Keys] = {"startupProbe": _PROBE, "livenessProbe": _PROBE, "readinessProbe": _PROBE}
_IMAGE: Final[Keys] = {
    "registry": str,
    "repository": str,
    "pullPolicy": str,
    "digest": str,
    "tag": str,
    "imagePullSecrets": list,
}
_ROLLOUT: Final[Keys] = {"rollingUpdate": dict, "type": str}
_EXTRA: Final[Keys] = {
    "extraArgs": list,
    "extraEnv": list,
    "extraVolumes": list,
    "extraVolumeMounts": list,
}
_SERVICE: Final[Keys] = {"annotations": dict, "type": str}
_ACCOUNT: Final[Keys] = {"create": bool, "annotations": dict}
_MONITOR: Final[Keys] = {
    "install": bool,
    "namespace": str,
    "annotations": dict,
    "labels": dict,
    "interval": str,
}
_RULE: Final[Keys] = {"install": bool, "namespace": str, "annotations": dict, "labels": dict}
_CERTIFICATES: Final[Keys] = {
    "method": str,
    "secretName": str,
    "certmanager": {
        "certValidityDuration": int,
        "issuerName": str,
        "extraDnsNames": list,
        "extraIPAddresses": list,
    },
    "provided": {"tlsCert": str, "tlsKey": str, "tlsCa": str},
    "auto": {
        "caExpiration": str,
        "certExpiration": str,
        "extraIpAddresses": list,
        "extraDnsNames": list,
    },
}
_POD: Final[Keys] = {
    "name": str,
    "binName": str,
    "image": _IMAGE,
    "nodeSelector": dict,
    "serviceAccount": _ACCOUNT,
    "service": _SERVICE,
    "tolerations": list,
    "priorityClassName": str,
    "affinity": dict,
    **_EXTRA,
    "podAnnotations": dict,
    "podLabels": dict,
    "resources": _RESOURCES,
    "securityContext": dict,
    "httpPort": int,
    "healthChecking": _PROBES,
    "debug": {"logLevel": str, "gopsPort": int},
}
_SRIOV_IMAGE: Final[Keys] = {"repository": str, "tag": str}

CHART_KEYS: Final[Keys] = {
    "global": {
        "imageRegistryOverride": str,
        "nameOverride": str,
        "clusterDnsDomain": str,
        "commonAnnotations": dict,
        "commonLabels": dict,
        "cniBinHostPath": str,
        "cniConfHostPath": str,
        "ipamUNIXSocketHostPath": str,
        "configName": str,
        "ciliumConfigMap": str,
    },
    "ipam": {
        "enableIPv4": bool,
        "enableIPv6": bool,
        "enableStatefulSet": bool,
        "enableKubevirtStaticIP": bool,
        "enableIPConflictDetection": bool,
        "enableGatewayDetection": bool,
        "enableCleanOutdatedEndpoint": bool,
        "spiderSubnet": {
            "enable": bool,
            "autoPool": {"enable": bool, "defaultRedundantIPNumber": int},
        },
        "gc": {
            "enabled": bool,
            "gcAll": {"intervalInSecond": int},
            "statelessPod": {
                "zombieOnReadyNode": bool,
                "zombieOnNotReadyNode": bool,
                "enableGcRunningPodOnEmptyPodStatusIPs": bool,
            },
            "gcDeletingTimeOutPodDelay": int,
        },
    },
    "grafanaDashboard": {
        "install": bool,
        "namespace": str,
        "annotations": dict,
        "labels": dict,
        "allowCrossNamespaceImport": bool,
        "instanceSelector": dict,
    },
    "coordinator": {
        "enabled": bool,
        "name": str,
        "mode": str,
        "podCIDRType": str,
        "detectGateway": bool,
        "detectIPConflict": bool,
        "tunePodRoutes": bool,
        "hijackCIDR": list,
        "policyRoutes": list,
        "vethLinkAddress": str,
        "vethMTU": int,
    },
    "rdma": {
        "rdmaSharedDevicePlugin": {
            "install": bool,
            "name": str,
            "image": _IMAGE,
            "updateStrategy": _ROLLOUT,
            "tolerations": list,
            "podAnnotations": dict,
            "podLabels": dict,
            "resources": _RESOURCES,
            "deviceConfig": {"periodicUpdateInterval": int, "configList": list},
        }
    },
    "multus": {
        "enableMultusConfig": bool,
        "multusCNI": {
            "install": bool,
            "uninstall": bool,
            "name": str,
            "image": _IMAGE,
            "defaultCniCRName": str,
            "securityContext": dict,
            "extraEnv": list,
            "extraVolumes": list,
            "extraVolumeMounts": list,
            "log": {"logLevel": str, "logFile": str},
        },
    },
    "plugins": {
        "installCNI": bool,
        "installRdmaCNI": bool,
        "installOvsCNI": bool,
        "installSriovCNI": bool,
        "installibSriovCNI": bool,
        "installIpoibCNI": bool,
        "installVlanCNI": bool,
        "image": _IMAGE,
    },
    "clusterDefaultPool": {
        "installIPv4IPPool": bool,
        "installIPv6IPPool": bool,
        "ipv4IPPoolName": str,
        "ipv6IPPoolName": str,
        "ipv4SubnetName": str,
        "ipv6SubnetName": str,
        "ipv4Subnet": str,
        "ipv6Subnet": str,
        "ipv4IPRanges": list,
        "ipv6IPRanges": list,
        "ipv4Gateway": str,
        "ipv6Gateway": str,
    },
    "spiderpoolAgent": {
        **_POD,
        "updateStrategy": _ROLLOUT,
        "tuneSysctlConfig": bool,
        "networkResourcePlugin": {
            "enabled": bool,
            "kubeletRootDir": str,
            "devicePluginAffinity": dict,
            "resourceAdvertisement": {"subENI": {"rules": list}, "masterNIC": {"rules": list}},
        },
        "prometheus": {
            "enabled": bool,
            "enabledRdmaMetric": bool,
            "enabledDebugMetric": bool,
            "port": int,
            "serviceMonitor": _MONITOR,
            "prometheusRule": {
                **_RULE,
                "enableWarningIPAMAllocationFailure": bool,
                "enableWarningIPAMAllocationOverTime": bool,
                "enableWarningIPAMHighAllocationDurations": bool,
                "enableWarningIPAMReleaseFailure": bool,
                "enableWarningIPAMReleaseOverTime": bool,
            },
        },
    },
    "spiderpoolController": {
        **_POD,
        "replicas": int,
        "hostnetwork": bool,
        "podDisruptionBudget": {"enabled": bool, "minAvailable": int},
        "webhookPort": int,
        "enableValidatingResourcesDeletedWebhook": bool,
        "podResourceInject": {
            "enabled": bool,
            "namespacesExclude": list,
            "namespacesInclude": list,
        },
        "prometheus": {
            "enabled": bool,
            "enabledDebugMetric": bool,
            "port": int,
            "serviceMonitor": _MONITOR,
            "prometheusRule": {**_RULE, "enableWarningIPGCFailureCounts": bool},
        },
        "tls": _CERTIFICATES,
        "cleanup": {"enable": bool},
    },
    "spiderpoolInit": {
        "name": str,
        "binName": str,
        "image": _IMAGE,
        "extraArgs": list,
        "extraEnv": list,
        "securityContext": dict,
        "serviceAccount": {"annotations": dict},
    },
    "sriov": {
        "install": bool,
        "name": str,
        "tolerations": list,
        "nodeSelector": dict,
        "affinity": dict,
        "hostnetwork": bool,
        "replicas": int,
        "resourcePrefix": str,
        "priorityClassName": str,
        "resources": _RESOURCES,
        "operatorConfig": {
            "enableInjector": bool,
            "enableOperatorWebhook": bool,
            "configDaemonNodeSelector": dict,
            "logLevel": int,
            "disableDrain": bool,
            "configurationMode": str,
        },
        "image": {
            "registry": str,
            "pullPolicy": str,
            "imagePullSecrets": list,
            "operator": _SRIOV_IMAGE,
            "sriovConfigDaemon": _SRIOV_IMAGE,
            "sriovDevicePlugin": _SRIOV_IMAGE,
            "resourcesInjector": _SRIOV_IMAGE,
            "webhook": _SRIOV_IMAGE,
        },
        "webhooktls": {**_CERTIFICATES, "serviceName": str},
        "injectortls": {**_CERTIFICATES, "serviceName": str},
    },
    "iaasNetworkProvider": {"serverUrl": str, "httpRequestTimeout": str},
}

_NAMES: Final[Mapping[object, str]] = {
    str: "a text",
    bool: "true or false",
    int: "a whole number",
    list: "a list",
    dict: "a map",
}


def strange_values(
    values: Mapping[str, object], keys: Keys = CHART_KEYS, path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield each value that the chart would misread or ignore: its path and the problem."""
    for key, value in values.items():
        here, kind = (*path, str(key)), keys.get(str(key))
        if kind is None:
            near = ", ".join(sorted(k for k in keys if k.lower() == str(key).lower()))
            yield here, "Chart 1.2.2 does not have this key" + (f"; it has {near}" if near else "")
        elif isinstance(kind, Mapping):
            if isinstance(value, Mapping):
                yield from strange_values(value, kind, here)
            else:
                yield here, "It takes a map"
        elif not _is(value, kind):
            yield here, f"It takes {_NAMES[kind]}"


def _is(value: object, kind: object) -> bool:
    if kind is dict:
        return isinstance(value, Mapping)
    if kind is list:
        return isinstance(value, list | tuple)
    if kind is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, str if kind is str else bool)
