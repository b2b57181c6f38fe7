//! Issues tokens.

use serde_json::json;

use super::{Answer, Call, Reply, put};
use crate::ciphertrust::failure::Failure;
use crate::ciphertrust::session::{REFRESH_SECONDS, Session, TOKEN_SECONDS};

/// The only user directory.
const LOCAL: &str = "local_account";

pub(super) fn login(call: &mut Call<'_>) -> Answer {
    let body = call.body()?;
    let (session, used) = match body.text("grant_type")? {
        None | Some("password") => (by_password(call)?, None),
        Some("refresh_token") => {
            let token = body.required("refresh_token")?;
            (call.inner.appliance.sessions.refresh(token, call.now)?, Some(token))
        }
        Some(other) => return Err(Failure::invalid(format!("grant_type {other} is not supported"))),
    };
    // A removed user gets no new token for an old one.
    if call.inner.appliance.user(&session.username).is_none() {
        return Err(refused());
    }
    let renew = body.flag("renew_refresh_token")?;
    let sessions = &mut call.inner.appliance.sessions;
    let mut reply = json!({
        "jwt": sessions.issue(&session, call.now),
        "duration": TOKEN_SECONDS,
        "token_type": "Bearer",
        "client_id": uuid::Uuid::new_v4().to_string(),
    });
    if used.is_none() || renew {
        if let Some(used) = used {
            sessions.drop_refresh(used);
        }
        put(&mut reply, "refresh_token", json!(sessions.issue_refresh(&session, call.now)));
        put(&mut reply, "refresh_token_expires_in", json!(REFRESH_SECONDS));
    }
    Ok(Reply { status: 200, body: reply })
}

/// A user of the root domain can log in to every domain, another user only to its own. An unknown domain is refused like an unknown user,
/// so that nobody learns which domains exist.
fn by_password(call: &Call<'_>) -> Result<Session, Failure> {
    let body = call.body()?;
    let (username, password) = (body.required("username")?, body.required("password")?);
    let appliance = &call.inner.appliance;
    let path = body.text("auth_domain_path")?.map(|path| path.trim_start_matches('/'));
    let home = path.or(body.text("auth_domain")?).unwrap_or_default();
    let home = appliance.domain(home).ok_or_else(refused)?;
    let domain = appliance.domain(body.text("domain")?.unwrap_or_default()).ok_or_else(refused)?;
    let user = appliance.user(username).filter(|user| user.password == password).ok_or_else(refused)?;
    let created_in = appliance.domain(user.domain.as_deref().unwrap_or_default());
    let may_enter = user.domain.is_none() || Some(domain) == created_in;
    let known_there = body.text("connection")?.is_none_or(|connection| connection == LOCAL);
    if created_in == Some(home) && may_enter && known_there {
        Ok(Session { username: username.to_owned(), account: user.account.clone(), domain: domain.id.clone() })
    } else {
        Err(refused())
    }
}

fn refused() -> Failure {
    Failure::unauthorized("invalid username, password or domain")
}
