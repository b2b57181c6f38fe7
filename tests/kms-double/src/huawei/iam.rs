//! IAM: tokens for users, and the projects of an account.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::call::Caller;
use super::failure::Failure;
use super::identity::{HuaweiProject, HuaweiUser, Known};
use super::members::Members;

/// A token, and the body that describes it.
#[derive(Debug)]
pub(super) struct Issued {
    pub(super) token: String,
    pub(super) body: Value,
}

/// The content of a request for a token.
#[derive(Debug)]
pub(super) struct Login {
    domain_name: String,
    pub(super) name: String,
    password: String,
    project_id: Option<String>,
    project_name: Option<String>,
}

impl Login {
    /// Reads the request. Only a login with a password, for a project, is supported.
    pub(super) fn read(members: &Members) -> Result<Self, Failure> {
        Self::find(members).map_err(|_| malformed())?.ok_or_else(malformed)
    }

    fn find(members: &Members) -> Result<Option<Self>, Failure> {
        let at =
            |path: &[&str]| path.iter().try_fold(Some(members.clone()), |place, name| place.map_or(Ok(None), |place| place.object(name)));
        let Some(identity) = at(&["auth", "identity"])? else {
            return Ok(None);
        };
        if !identity.list("methods")?.unwrap_or_default().contains(&json!("password")) {
            return Ok(None);
        }
        let user = at(&["auth", "identity", "password", "user"])?.zip(at(&["auth", "identity", "password", "user", "domain"])?);
        let Some(((user, domain), project)) = user.zip(at(&["auth", "scope", "project"])?) else {
            return Ok(None);
        };
        let text = |members: &Members, name: &str| members.string(name).map(|text| text.map(str::to_owned));
        Ok(Some(Self {
            domain_name: domain.required("name")?.to_owned(),
            name: user.required("name")?.to_owned(),
            password: user.required("password")?.to_owned(),
            project_id: text(&project, "id")?,
            project_name: text(&project, "name")?,
        }))
    }

    /// The project of the token, if the account has it.
    pub(super) fn project(&self, known: &Known) -> Option<HuaweiProject> {
        let mut projects = known.projects().iter().filter(|project| project.domain_name == self.domain_name);
        let asked = |project: &&HuaweiProject| match (&self.project_id, &self.project_name) {
            (Some(id), _) => project.id == *id,
            (None, Some(name)) => project.region == *name,
            (None, None) => false,
        };
        projects.find(asked).cloned()
    }
}

/// Issues a token.
pub(super) fn create_token(known: &mut Known, login: &Login, now: Timestamp) -> Result<Issued, Failure> {
    let user = known.user(&login.domain_name, &login.name).filter(|user| user.password == login.password).cloned();
    let user = user.ok_or_else(|| Failure::iam(401, "The username or password is wrong."))?;
    let project = login.project(known).ok_or_else(|| Failure::iam(401, "The project of the scope was not found."))?;
    let (text, token) = known.issue(&user, &project.id, now);
    let body = json!({
        "token": {
            "methods": ["password"],
            "expires_at": date(token.expires),
            "issued_at": date(token.issued),
            "project": { "id": project.id, "name": project.region, "domain": domain(&project) },
            "user": user_body(&user, &project),
            "roles": [{ "id": "0", "name": "te_admin" }],
            "catalog": [],
        },
    });
    Ok(Issued { token: text, body })
}

/// The projects of the caller's account, filtered by name if the request has one.
pub(super) fn list_projects(known: &Known, caller: &Caller, name: Option<&str>) -> Value {
    let projects = known.projects().iter().filter(|project| project.domain == caller.project.domain);
    let named = projects.filter(|project| name.is_none_or(|name| project.region == name));
    json!({ "projects": named.map(project_body).collect::<Vec<_>>(), "links": { "self": "/v3/projects" } })
}

/// One project of the caller's account.
pub(super) fn show_project(known: &Known, caller: &Caller, id: &str) -> Result<Value, Failure> {
    let project = known.project(id).filter(|project| project.domain == caller.project.domain);
    let project = project.ok_or_else(|| Failure::iam(404, &format!("Could not find project: {id}.")))?;
    Ok(json!({ "project": project_body(project) }))
}

fn malformed() -> Failure {
    Failure::iam(400, "The request body is invalid: expected a password, a user of a domain and a project as scope.")
}

fn project_body(project: &HuaweiProject) -> Value {
    json!({
        "id": project.id,
        "name": project.region,
        "domain_id": project.domain,
        "parent_id": project.domain,
        "is_domain": false,
        "enabled": true,
        "description": "",
        "links": { "self": format!("/v3/projects/{}", project.id) },
    })
}

fn user_body(user: &HuaweiUser, project: &HuaweiProject) -> Value {
    json!({ "id": format!("{:0>32}", "1"), "name": user.name, "domain": domain(project), "password_expires_at": "" })
}

fn domain(project: &HuaweiProject) -> Value {
    json!({ "id": project.domain, "name": project.domain_name })
}

fn date(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string()
}
