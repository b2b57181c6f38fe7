//! The operations, and the mapping from method and path to an operation.

use super::failure::Service;
use super::percent;

/// Declares the operations with their properties.
macro_rules! operations {
    ($($variant:ident $name:literal $service:ident $kind:ident,)*) => {
        /// An operation, by its name in the ledger.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Operation { $($variant,)* }

        impl Operation {
            /// Every operation.
            const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The name in the ledger and in faults. For most KMS operations it is also the end of the path.
            pub(crate) fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// The service of the operation.
            pub(crate) fn service(self) -> Service {
                match self { $(Self::$variant => Service::$service,)* }
            }

            /// Whether it only reads.
            pub(crate) fn kind(self) -> Kind {
                match self { $(Self::$variant => Kind::$kind,)* }
            }
        }
    };
}

/// What an operation does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It changes nothing.
    Read,
    /// It changes or creates a key.
    Mutation,
}

operations! {
    CreateKey "create-key" Kms Mutation,
    DescribeKey "describe-key" Kms Read,
    ListKeys "list-keys" Kms Read,
    GetKeyRotationStatus "get-key-rotation-status" Kms Read,
    EnableKey "enable-key" Kms Mutation,
    DisableKey "disable-key" Kms Mutation,
    ScheduleKeyDeletion "schedule-key-deletion" Kms Mutation,
    CancelKeyDeletion "cancel-key-deletion" Kms Mutation,
    EnableKeyRotation "enable-key-rotation" Kms Mutation,
    DisableKeyRotation "disable-key-rotation" Kms Mutation,
    UpdateKeyRotationInterval "update-key-rotation-interval" Kms Mutation,
    RotateOnDemand "rotate-on-demand" Kms Mutation,
    UpdateKeyAlias "update-key-alias" Kms Mutation,
    UpdateKeyDescription "update-key-description" Kms Mutation,
    CreateAlias "create-alias" Kms Mutation,
    ListAliases "list-aliases" Kms Read,
    DeleteAlias "delete-alias" Kms Mutation,
    AssociateAlias "associate-alias" Kms Mutation,
    CreateGrant "create-grant" Kms Mutation,
    ListGrants "list-grants" Kms Read,
    RevokeGrant "revoke-grant" Kms Mutation,
    ListTags "list-tags" Kms Read,
    CreateTag "create-tag" Kms Mutation,
    BatchTags "batch-tags" Kms Mutation,
    DeleteTag "delete-tag" Kms Mutation,
    ListProjectTags "list-project-tags" Kms Read,
    FilterResources "filter-resources" Kms Read,
    UserInstances "user-instances" Kms Read,
    UserQuotas "user-quotas" Kms Read,
    Replicate "replicate" Kms Mutation,
    UpdatePrimaryRegion "update-primary-region" Kms Mutation,
    ListRegions "list-regions" Kms Read,
    ListVersions "list-versions" Kms Read,
    CreateToken "create-token" Iam Read,
    ListProjects "list-projects" Iam Read,
    ShowProject "show-project" Iam Read,
}

impl Operation {
    /// Whether its path is `/v1.0/{project_id}/kms/{name}`, called with POST.
    fn is_plain(self) -> bool {
        use Operation as O;
        matches!(
            self,
            O::CreateKey
                | O::DescribeKey
                | O::ListKeys
                | O::GetKeyRotationStatus
                | O::EnableKey
                | O::DisableKey
                | O::ScheduleKeyDeletion
                | O::CancelKeyDeletion
                | O::EnableKeyRotation
                | O::DisableKeyRotation
                | O::UpdateKeyRotationInterval
                | O::RotateOnDemand
                | O::UpdateKeyAlias
                | O::UpdateKeyDescription
                | O::CreateGrant
                | O::ListGrants
                | O::RevokeGrant
        )
    }
}

/// What a method and a path name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Route {
    /// None if the path exists, but not with this method.
    pub(crate) operation: Option<Operation>,
    pub(crate) service: Service,
    /// The project in the path.
    pub(crate) project: Option<String>,
    /// The key in the path, or for IAM the project.
    pub(crate) item: Option<String>,
    /// The tag key in the path.
    pub(crate) tag: Option<String>,
}

impl Route {
    /// The target of a request without a known path.
    pub(crate) fn unknown() -> Self {
        Self { operation: None, service: Service::Kms, project: None, item: None, tag: None }
    }

    /// Finds the operation. None if there is no such path. A path that ends in `/` is another path.
    pub(crate) fn find(method: &str, path: &str) -> Option<Self> {
        use Operation as O;
        let segments: Vec<String> = path.split('/').skip(1).map(percent::decode).collect();
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        let mut route = Self::unknown();
        let operations: Vec<(&str, Operation)> = match segments.as_slice() {
            [""] => vec![("GET", O::ListVersions)],
            ["v1.0", project, "kms", rest @ ..] => {
                route.project = Some((*project).to_owned());
                match rest {
                    ["tags"] => vec![("GET", O::ListProjectTags)],
                    ["user-instances"] => vec![("GET", O::UserInstances)],
                    ["user-quotas"] => vec![("GET", O::UserQuotas)],
                    ["aliases"] => vec![("GET", O::ListAliases), ("POST", O::CreateAlias), ("DELETE", O::DeleteAlias)],
                    ["alias", "associate"] => vec![("POST", O::AssociateAlias)],
                    ["resource_instances", "action"] => vec![("POST", O::FilterResources)],
                    [name] => vec![("POST", *O::ALL.iter().find(|operation| operation.is_plain() && operation.name() == *name)?)],
                    [key, "tags"] => {
                        route.item = Some((*key).to_owned());
                        vec![("GET", O::ListTags), ("POST", O::CreateTag)]
                    }
                    [key, "tags", "action"] => {
                        route.item = Some((*key).to_owned());
                        vec![("POST", O::BatchTags)]
                    }
                    [key, "tags", tag] => {
                        route.item = Some((*key).to_owned());
                        route.tag = Some((*tag).to_owned());
                        vec![("DELETE", O::DeleteTag)]
                    }
                    _ => return None,
                }
            }
            ["v2", project, "kms", "regions"] => {
                route.project = Some((*project).to_owned());
                vec![("GET", O::ListRegions)]
            }
            ["v2", project, "kms", "keys", key, action] => {
                (route.project, route.item) = (Some((*project).to_owned()), Some((*key).to_owned()));
                match *action {
                    "replicate" => vec![("POST", O::Replicate)],
                    "update-primary-region" => vec![("PUT", O::UpdatePrimaryRegion)],
                    _ => return None,
                }
            }
            ["v3", "auth", "tokens"] => vec![("POST", O::CreateToken)],
            ["v3", "projects"] => vec![("GET", O::ListProjects)],
            ["v3", "projects", id] => {
                route.item = Some((*id).to_owned());
                vec![("GET", O::ShowProject)]
            }
            _ => return None,
        };
        route.service = operations.first().map_or(Service::Kms, |(_, operation)| operation.service());
        route.operation = operations.into_iter().find(|(allowed, _)| *allowed == method).map(|(_, operation)| operation);
        Some(route)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(method: &str, path: &str) -> Option<&'static str> {
        Route::find(method, path)?.operation.map(Operation::name)
    }

    #[test]
    fn finds_what_is_called() {
        assert_eq!(name("POST", "/v1.0/p/kms/describe-key"), Some("describe-key"));
        assert_eq!(name("DELETE", "/v1.0/p/kms/aliases"), Some("delete-alias"));
        assert_eq!(name("PUT", "/v2/p/kms/keys/k/update-primary-region"), Some("update-primary-region"));
        let tag = Route::find("DELETE", "/v1.0/p/kms/k/tags/cost%20centre%2Fa").unwrap();
        assert_eq!((tag.item.as_deref(), tag.tag.as_deref()), (Some("k"), Some("cost centre/a")));
        assert_eq!(Route::find("GET", "/v3/projects/p").unwrap().service, Service::Iam);
    }

    #[test]
    fn tells_a_wrong_method_from_a_path_that_is_not_there() {
        assert_eq!(Route::find("GET", "/v1.0/p/kms/create-key").unwrap().operation, None);
        for path in ["/v1.0/p/kms/create-alias", "/v1.0/p/kms/describe-key/", "/v1.0/p/kms", "/v2/p/kms/keys/k/rotate", "/v1.0", "/v4/p"] {
            assert_eq!(Route::find("POST", path), None, "{path}");
        }
    }
}
