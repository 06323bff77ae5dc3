//! Our own rules for the example pod: what keeps a sidecar from harming its service, and Pod Security's "restricted" profile.

use serde_json::{Value, json};

use crate::files::object;

const POD: &str = "/spec/template/spec";

/// Every rule that the Deployment breaks.
fn broken_rules(deployment: &Value) -> Vec<&'static str> {
    let pod = deployment.pointer(POD).expect("a Deployment has a pod");
    let sidecar = &pod["initContainers"][0];
    let service = &pod["containers"][0];
    let rules = [
        sidecar_rules(sidecar),
        volume_rules(pod, sidecar, service),
        restricted_rules(pod, [sidecar, service]),
    ];
    rules.concat().into_iter().filter(|(kept, _)| !kept).map(|(_, rule)| rule).collect()
}

type Rules = Vec<(bool, &'static str)>;

fn sidecar_rules(sidecar: &Value) -> Rules {
    let resources = &sidecar["resources"];
    let probe = &sidecar["livenessProbe"]["httpGet"];
    vec![
        (sidecar["restartPolicy"] == "Always", "native sidecar: restartPolicy Always in initContainers"),
        (probe["path"] == "/livez" && probe["port"] == "admin", "liveness reads /livez on the admin port"),
        (sidecar["startupProbe"].is_null(), "no startupProbe: the service must not wait for the sidecar"),
        (sidecar["readinessProbe"].is_null(), "no readinessProbe: the sidecar must not unready the pod"),
        (resources["limits"]["cpu"].is_null(), "no CPU limit: throttling stops the loop"),
        (resources["limits"]["memory"].is_string(), "memory is bounded"),
        (resources["limits"]["memory"] == resources["requests"]["memory"], "memory is reserved in full"),
    ]
}

fn volume_rules(pod: &Value, sidecar: &Value, service: &Value) -> Rules {
    let mounts = |container: &Value| container["volumeMounts"].as_array().cloned().unwrap_or_default();
    let mount =
        |container: &Value, name: &str| mounts(container).into_iter().find(|mount| mount["name"] == name);
    let whole = |container: &Value| {
        mounts(container).iter().all(|mount| mount["subPath"].is_null() && mount["subPathExpr"].is_null())
    };
    let place =
        |container: &Value, name: &str| mount(container, name).map(|mount| mount["mountPath"].clone());
    let volumes = pod["volumes"].as_array().cloned().unwrap_or_default();
    let policy = volumes.iter().find(|volume| volume["name"] == "policy");
    let config_map = &policy.unwrap_or(&Value::Null)["configMap"];
    let only_plain =
        volumes.iter().all(|volume| volume["emptyDir"].is_object() || volume["configMap"].is_object());
    vec![
        (whole(sidecar) && whole(service), "no subPath: it would freeze the policy or the socket"),
        (place(sidecar, "socket").is_some(), "the sidecar has the socket's folder"),
        (place(sidecar, "socket") == place(service, "socket"), "both see the socket's folder at one path"),
        (mount(sidecar, "state").is_some(), "the last good policy has a folder"),
        (config_map["name"] == object("ConfigMap")["metadata"]["name"], "the policy volume is our ConfigMap"),
        (config_map["items"].is_null(), "the ConfigMap is mounted whole"),
        (only_plain, "restricted: only emptyDir and configMap volumes"),
    ]
}

fn restricted_rules(pod: &Value, containers: [&Value; 2]) -> Rules {
    let every =
        |rule: fn(&Value) -> bool| containers.iter().all(|container| rule(&container["securityContext"]));
    let context = &pod["securityContext"];
    let host = ["hostNetwork", "hostPID", "hostIPC"];
    vec![
        (context["runAsNonRoot"] == true, "restricted: runAsNonRoot"),
        (context["seccompProfile"]["type"] == "RuntimeDefault", "restricted: seccomp RuntimeDefault"),
        (
            context["fsGroup"].is_u64() && context["runAsGroup"] == context["fsGroup"],
            "one group reaches the 0660 socket",
        ),
        (every(|own| own["runAsUser"].as_u64().is_some_and(|user| user > 0)), "a numbered user, not root"),
        (every(|own| own["allowPrivilegeEscalation"] == false), "restricted: no privilege escalation"),
        (every(|own| own["capabilities"] == json!({"drop": ["ALL"]})), "restricted: no capability"),
        (every(|own| own["readOnlyRootFilesystem"] == true), "read-only root file system"),
        (every(|own| own["privileged"].is_null()), "restricted: not privileged"),
        (host.iter().all(|field| pod[field].is_null()), "restricted: no host namespace"),
    ]
}

#[test]
fn the_pod_keeps_every_rule() {
    assert_eq!(broken_rules(&object("Deployment")), Vec::<&str>::new());
    let level = &object("Namespace")["metadata"]["labels"]["pod-security.kubernetes.io/enforce"];
    assert_eq!(level, "restricted");
}

#[test]
fn a_broken_rule_is_found() {
    let sidecar = "/initContainers/0";
    let service = "/containers/0";
    // (where, field, what is put there, the rule that must be named)
    let cases = [
        (sidecar, "restartPolicy", json!(null), "native sidecar"),
        (
            sidecar,
            "livenessProbe",
            json!({"httpGet": {"path": "/status", "port": "admin"}}),
            "liveness reads /livez",
        ),
        (sidecar, "startupProbe", json!({"httpGet": {"path": "/livez", "port": "admin"}}), "no startupProbe"),
        (
            sidecar,
            "readinessProbe",
            json!({"httpGet": {"path": "/livez", "port": "admin"}}),
            "no readinessProbe",
        ),
        ("/initContainers/0/resources/limits", "cpu", json!("100m"), "no CPU limit"),
        ("/initContainers/0/resources/limits", "memory", json!("64Mi"), "memory is reserved"),
        ("/initContainers/0/volumeMounts/0", "subPath", json!("policy.yaml"), "no subPath"),
        ("/containers/0/volumeMounts/0", "mountPath", json!("/socket"), "both see the socket"),
        ("/volumes/0/configMap", "items", json!([]), "mounted whole"),
        ("/volumes/0/configMap", "name", json!("other"), "is our ConfigMap"),
        ("/volumes/1", "emptyDir", json!(null), "only emptyDir and configMap"),
        ("/securityContext", "runAsNonRoot", json!(false), "runAsNonRoot"),
        ("/securityContext", "seccompProfile", json!({"type": "Unconfined"}), "seccomp"),
        ("/securityContext", "runAsGroup", json!(1), "one group"),
        ("/containers/0/securityContext", "runAsUser", json!(0), "not root"),
        ("/containers/0/securityContext", "allowPrivilegeEscalation", json!(true), "escalation"),
        (
            "/initContainers/0/securityContext",
            "capabilities",
            json!({"add": ["SYS_PTRACE"]}),
            "no capability",
        ),
        ("/initContainers/0/securityContext", "readOnlyRootFilesystem", json!(false), "read-only"),
        (service, "securityContext", json!({"privileged": true}), "not privileged"),
        ("", "hostPID", json!(true), "no host namespace"),
    ];
    for (place, field, value, rule) in cases {
        let mut deployment = object("Deployment");
        deployment.pointer_mut(&format!("{POD}{place}")).unwrap()[field] = value;
        let found = broken_rules(&deployment);
        assert!(
            found.iter().any(|broken| broken.contains(rule)),
            "{place}/{field} must break {rule:?}: {found:?}"
        );
    }
}
