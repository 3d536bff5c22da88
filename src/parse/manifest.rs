//! Static pod manifests: which pod it is, and which version of Kubernetes runs here.

use serde::Deserialize;

use super::yaml;

/// Major and minor version of Kubernetes.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Version(pub u32, pub u32);

#[derive(Deserialize)]
struct Pod {
    spec: Spec,
}

#[derive(Deserialize)]
struct Spec {
    containers: Vec<Container>,
}

#[derive(Deserialize)]
struct Container {
    image: String,
}

#[derive(Deserialize)]
struct Named {
    metadata: Metadata,
}

#[derive(Deserialize)]
struct Metadata {
    name: String,
}

/// The pod's name; `None` for a manifest that cannot be read.
pub fn name(manifest: &[u8]) -> Option<String> {
    yaml::read::<Named>(manifest).ok().map(|pod| pod.metadata.name)
}

/// The version in the tag of the first container's image, such as `v1.33.2`; `None` for a
/// manifest that cannot be read or an image without such a tag.
pub fn version(manifest: &[u8]) -> Option<Version> {
    let pod: Pod = yaml::read(manifest).ok()?;
    tag_version(&pod.spec.containers.first()?.image)
}

fn tag_version(image: &str) -> Option<Version> {
    let untagged = image.split('@').next()?;
    let (_, tag) = untagged.rsplit_once(':')?;
    let mut numbers = tag.strip_prefix('v')?.split(['.', '-', '+']);
    Some(Version(numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_image_s_tag_is_the_version() {
        let pod = b"spec:\n  containers:\n  - name: kube-apiserver\n    image: registry:5000/kube-apiserver:v1.33.2\n";
        assert_eq!(version(pod), Some(Version(1, 33)));
        assert_eq!(tag_version("a/b:v1.20.2-eks@sha256:00"), Some(Version(1, 20)));
        for odd in ["a/b", "a/b:latest", "a:5000/b", "a/b:v1"] {
            assert_eq!(tag_version(odd), None, "{odd}");
        }
        assert_eq!(version(b"]"), None);
    }
}
