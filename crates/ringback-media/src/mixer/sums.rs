//! Sums of what many say, and the way back to samples.

/// Unity of the gain: it has fifteen bits behind the point.
pub(super) const UNITY: i32 = 1 << 15;

/// Adds what somebody has said.
pub(super) fn add(sum: &mut [i32], said: &[i16]) {
    for (sum, said) in sum.iter_mut().zip(said) {
        *sum += i32::from(*said);
    }
}

/// Turns sums down. The two loops are apart, so that either is done for many samples in one go.
pub(super) fn scale(sums: impl Iterator<Item = i32>, gain: i32, out: &mut [i16]) {
    let limited = |sum: i32| sum.clamp(i16::MIN.into(), i16::MAX.into()) as i16;
    if gain == UNITY {
        out.iter_mut().zip(sums).for_each(|(out, sum)| *out = limited(sum));
    } else {
        // A sum of hundreds of parties is exact in 24 bits, and what is rounded is far below what can be heard.
        let gain = gain as f32 / UNITY as f32;
        out.iter_mut().zip(sums).for_each(|(out, sum)| *out = limited((sum as f32 * gain) as i32));
    }
}
