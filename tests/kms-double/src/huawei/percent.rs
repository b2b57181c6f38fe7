//! Percent-encoding, as the signer needs it.

/// Replaces each `%XX`. Everything else stays as it is.
pub(crate) fn decode_bytes(text: &str) -> Vec<u8> {
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
    bytes
}

/// Like [`decode_bytes`], for text. Bytes that are not valid text are replaced.
pub(crate) fn decode(text: &str) -> String {
    String::from_utf8_lossy(&decode_bytes(text)).into_owned()
}

/// Encodes all characters except the unreserved ones, with upper-case digits.
pub(crate) fn encode(bytes: &[u8]) -> String {
    let mut encoded = String::with_capacity(bytes.len());
    for &byte in bytes {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push('%');
            encoded.push_str(&hex::encode_upper([byte]));
        }
    }
    encoded
}

/// The pairs of a query, decoded. A plus sign is a plus sign: the official clients write a space as `%20`.
pub(crate) fn pairs(query: &str) -> Vec<(String, String)> {
    let pairs = query.split('&').filter(|pair| !pair.is_empty()).map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    pairs.map(|(name, value)| (decode(name), decode(value))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decodes_what_it_encodes_and_leaves_the_rest() {
        assert_eq!(decode(&encode("a b/é+1".as_bytes())), "a b/é+1");
        assert_eq!(encode(b"a b~*"), "a%20b~%2A");
        assert_eq!(decode("100%zz%4"), "100%zz%4");
        assert_eq!(
            pairs("k=B&empty=&alone&&a=b%26c"),
            [("k", "B"), ("empty", ""), ("alone", ""), ("a", "b&c")].map(|(n, v)| (n.into(), v.into()))
        );
    }
}
