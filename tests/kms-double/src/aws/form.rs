//! The form encoding of the STS query protocol.

/// The pairs of a form, decoded.
pub(crate) fn pairs(form: &str) -> Vec<(String, String)> {
    let pairs = form.split('&').filter(|pair| !pair.is_empty()).map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    pairs.map(|(name, value)| (percent_decode(&name.replace('+', " ")), percent_decode(&value.replace('+', " ")))).collect()
}

/// Replaces each `%XX`. Everything else stays as it is.
pub(crate) fn percent_decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let byte = tail.get(..2).filter(|_| first == b'%').and_then(|digits| hex::decode(digits).ok());
        if let Some([byte]) = byte.as_deref() {
            bytes.push(*byte);
            rest = tail.get(2..).unwrap_or_default();
        } else {
            bytes.push(first);
            rest = tail;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decodes_names_and_values() {
        let expected = vec![("RoleArn".to_owned(), "arn:aws:iam::1:role/a b".to_owned()), ("X".to_owned(), String::new())];
        assert_eq!(pairs("RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fa+b&X"), expected);
        assert_eq!(percent_decode("100%"), "100%");
        assert_eq!(percent_decode("%zz%41"), "%zzA");
    }
}
