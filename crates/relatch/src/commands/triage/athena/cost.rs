//! What Athena reads, and what that costs.

/// A megabyte, the unit in which Athena counts, and how many of them a query costs at least
/// (<https://aws.amazon.com/athena/pricing/>).
const MEGABYTE: u64 = 1 << 20;
const LEAST_MEGABYTES: u64 = 10;
/// Bytes of the terabyte that is paid. The price list does not say which is meant; the smaller
/// one can only overstate the cost.
const TERABYTE: u128 = 1_000_000_000_000;

/// What a query costs in millionths of a dollar, at so many a terabyte.
pub(super) fn cost(scanned_bytes: u64, price: u64) -> u64 {
    let megabytes = scanned_bytes.div_ceil(MEGABYTE).max(LEAST_MEGABYTES);
    let bytes = u128::from(megabytes) * u128::from(MEGABYTE);
    u64::try_from((bytes * u128::from(price)).div_ceil(TERABYTE)).unwrap_or(u64::MAX)
}

/// Millionths of a dollar as `$0.0123`, never less than it is.
pub(super) fn dollars(micro: u64) -> String {
    let parts = micro.div_ceil(100);
    format!("${}.{:04}", parts / 10_000, parts % 10_000)
}

/// Reads `5`, `5.00` or `0.005` dollars as millionths.
pub(super) fn micro_dollars(text: &str) -> Result<u64, String> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || part.len() > 6 || !digits(whole) || !digits(part) {
        return Err(
            "an amount like 5.00 is needed, with six digits behind the point at most".into(),
        );
    }
    let whole: Option<u64> = whole.parse().ok();
    let part: Option<u64> = format!("{part:0<6}").parse().ok();
    let all = whole
        .zip(part)
        .and_then(|(whole, part)| whole.checked_mul(1_000_000)?.checked_add(part));
    all.ok_or_else(|| "the amount is too large".into())
}

/// Bytes as whole mebibytes or gibibytes, never fewer than there are.
pub(super) fn size(bytes: u64) -> String {
    let megabytes = bytes.div_ceil(MEGABYTE);
    if megabytes < 10_000 {
        format!("{megabytes} MiB")
    } else {
        format!("{} GiB", megabytes.div_ceil(1024))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_price_is_read_and_a_cost_never_understated() {
        assert_eq!(micro_dollars("5"), Ok(5_000_000));
        assert_eq!(micro_dollars("0.005"), Ok(5_000));
        for wrong in ["", ".5", "-1", "5,00", "1.0000001", "99999999999999999999"] {
            micro_dollars(wrong).expect_err(wrong);
        }
        // Ten megabytes at least; a terabyte of 2^40 bytes at five dollars.
        assert_eq!(cost(0, 5_000_000), 53);
        assert_eq!(cost(1 << 40, 5_000_000), 5_497_559);
        assert_eq!(dollars(53), "$0.0001");
        assert_eq!(dollars(5_497_559), "$5.4976");
    }
}
