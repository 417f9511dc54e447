//! A signal's bits: where they are in the payload, and what they mean.

use bess_types::{CanFrame, Quality, Reading};
use can_dbc::{ByteOrder, NumericValue, SignalExtendedValueType, ValueType};

use crate::product::InvalidCodes;

/// Bytes of a payload with room for the window of a signal in its last byte.
pub(super) const BUFFER: usize = bess_types::can::FD_BYTES + WINDOW;
/// Bytes a signal of a message above 8 bytes is read from at once.
const WINDOW: usize = 16;

/// More bits than a number of at most 63 bits has.
const NO_CODE: u64 = u64::MAX;

/// Where a signal's bits are and what they mean.
#[derive(Clone, Copy, Debug)]
pub(super) struct BitField {
    /// First byte of the window the signal lies in; 0 in a message of at most 8 bytes, which is one word.
    byte: u8,
    /// The message has at most 8 bytes.
    is_narrow: bool,
    /// Of the lowest bit, in the payload or window read as one little-endian or big-endian word.
    pub(super) shift: u8,
    pub(super) big_endian: bool,
    repr: Repr,
    /// It is no number of at most 63 bits, or has them all.
    is_rare: bool,
    /// Ones for its bits.
    mask: u64,
    /// The bit of the sign; 0 where there is none.
    sign: u64,
    /// value = raw · multiply / divide + offset. Decimal factors divide by a power of ten, so that raw
    /// 2900 at factor 0.001 is exactly 2.9.
    pub(super) multiply: f64,
    pub(super) divide: f64,
    pub(super) offset: f64,
    pub(super) min_raw: f64,
    pub(super) max_raw: f64,
    /// Codes for "no value", and whether there are any; else more bits than it has.
    invalid: u64,
    open_wire: u64,
    has_invalid: bool,
    has_open_wire: bool,
}

/// What a raw value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Repr {
    /// At most 63 bits, so that an `i64` holds it.
    Unsigned,
    Signed,
    /// Unsigned, 64 bits.
    Long,
    /// IEEE 754, 32 bits.
    Single,
    /// IEEE 754, 64 bits.
    Double,
}

impl BitField {
    #[inline]
    pub(super) fn raw_of(&self, reading: Reading) -> u64 {
        let code = match reading.quality {
            Quality::Valid if !reading.value.is_nan() => {
                return self.raw_of_value(reading.value);
            }
            Quality::Valid | Quality::Invalid => self.invalid(),
            Quality::OpenWire => self.open_wire().or(self.invalid()),
        };
        code.unwrap_or(0)
    }

    #[inline]
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the value is clamped to the signal's range first"
    )]
    pub(super) fn raw_of_value(&self, value: f64) -> u64 {
        let raw = ((value - self.offset) * self.divide / self.multiply).clamp(self.min_raw, self.max_raw);
        let bits = match self.repr {
            Repr::Unsigned | Repr::Signed => rounded(raw) as u64,
            Repr::Long => raw.round() as u64,
            Repr::Single => u64::from((raw as f32).to_bits()),
            Repr::Double => raw.to_bits(),
        };
        bits & self.mask
    }

    #[inline]
    pub(super) fn reading_of(&self, word: u64) -> Reading {
        let bits = word & self.mask;
        if self.is_rare || self.invalid == bits || self.open_wire == bits {
            return self.rare_reading_of(bits);
        }
        self.reading_of_raw(self.extended(bits) as f64)
    }

    /// The same for codes, and for signals that are no number of at most 63 bits. Apart, so that the usual way is short.
    #[inline(never)]
    #[allow(
        clippy::cast_possible_truncation,
        reason = "the low half, read as a float, is meant"
    )]
    fn rare_reading_of(&self, bits: u64) -> Reading {
        if self.has_invalid && self.invalid == bits {
            return Reading::invalid();
        }
        if self.has_open_wire && self.open_wire == bits {
            return Reading {
                value: 0.0,
                quality: Quality::OpenWire,
            };
        }
        let raw = match self.repr {
            Repr::Unsigned | Repr::Signed => self.extended(bits) as f64,
            Repr::Long => bits as f64,
            Repr::Single => f64::from(f32::from_bits(bits as u32)),
            Repr::Double => f64::from_bits(bits),
        };
        if matches!(self.repr, Repr::Single | Repr::Double) && !raw.is_finite() {
            return Reading::invalid();
        }
        self.reading_of_raw(raw)
    }

    #[inline]
    pub(super) fn reading_of_raw(&self, raw: f64) -> Reading {
        Reading::valid(raw * self.multiply / self.divide + self.offset)
    }

    /// The number that bits of an unsigned or signed signal are.
    #[inline]
    #[allow(clippy::cast_possible_wrap, reason = "the sign is meant")]
    fn extended(&self, bits: u64) -> i64 {
        (bits ^ self.sign).wrapping_sub(self.sign) as i64
    }

    /// The code for "no value".
    pub(super) fn invalid(&self) -> Option<u64> {
        self.has_invalid.then_some(self.invalid)
    }

    fn open_wire(&self) -> Option<u64> {
        self.has_open_wire.then_some(self.open_wire)
    }

    pub(super) fn compile(
        signal: &can_dbc::Signal,
        value_type: SignalExtendedValueType,
        message_bytes: u64,
        codes: InvalidCodes,
    ) -> Result<Self, &'static str> {
        let size = u8::try_from(signal.size)
            .ok()
            .filter(|size| (1..=64).contains(size));
        let size = size.ok_or("a signal has 1 to 64 bits")?;
        if signal.factor == 0.0 || !signal.factor.is_finite() {
            return Err("the factor is 0");
        }
        let big_endian = signal.byte_order == ByteOrder::BigEndian;
        let outside = "it does not fit into the message";
        // The DBC gives the highest bit of a big-endian signal, counted 7..0 in each byte; count from the first bit.
        let first = if big_endian {
            signal.start_bit / 8 * 8 + (7 - signal.start_bit % 8)
        } else {
            signal.start_bit
        };
        if first + signal.size > message_bytes * 8 {
            return Err(outside);
        }
        let (byte, window_bits) = if message_bytes <= 8 {
            (0, 64)
        } else {
            (first / 8, WINDOW as u64 * 8)
        };
        let within = first - byte * 8;
        let shift = if big_endian {
            window_bits - within - signal.size
        } else {
            within
        };
        let mask = u64::MAX >> (64 - size);
        let repr = match (value_type, size, signal.value_type) {
            (SignalExtendedValueType::IEEEfloat32Bit, 32, _) => Repr::Single,
            (SignalExtendedValueType::IEEEdouble64bit, 64, _) => Repr::Double,
            (SignalExtendedValueType::SignedOrUnsignedInteger, 64, ValueType::Unsigned) => Repr::Long,
            (SignalExtendedValueType::SignedOrUnsignedInteger, _, ValueType::Unsigned) => Repr::Unsigned,
            (SignalExtendedValueType::SignedOrUnsignedInteger, _, ValueType::Signed) => Repr::Signed,
            _ => return Err("a floating-point signal has 32 or 64 bits, as its SIG_VALTYPE_ says"),
        };
        let cut = |code: Option<u64>| code.map(|code| code & mask).filter(|_| size >= 8);
        let (invalid, open_wire) = match repr {
            Repr::Signed => (cut(codes.signed), None),
            Repr::Unsigned | Repr::Long => (cut(codes.raw), cut(codes.open_wire)),
            // not a number, unless a code is given
            Repr::Single => (Some(codes.raw.unwrap_or(0x7FC0_0000)), None),
            Repr::Double => (Some(codes.raw.unwrap_or(f64::NAN.to_bits())), None),
        };
        let (multiply, divide) = decimal(signal.factor);
        let mut bits = Self {
            byte: u8::try_from(byte).map_err(|_| outside)?,
            is_narrow: message_bytes <= 8,
            shift: u8::try_from(shift).map_err(|_| outside)?,
            big_endian,
            repr,
            is_rare: size == 64 || !matches!(repr, Repr::Unsigned | Repr::Signed),
            mask,
            sign: if repr == Repr::Signed { 1 << (size - 1) } else { 0 },
            multiply,
            divide,
            offset: signal.offset,
            min_raw: 0.0,
            max_raw: 0.0,
            invalid: invalid.unwrap_or(NO_CODE),
            open_wire: open_wire.unwrap_or(NO_CODE),
            has_invalid: invalid.is_some(),
            has_open_wire: open_wire.is_some(),
        };
        (bits.min_raw, bits.max_raw) = bits.raw_range(signal);
        Ok(bits)
    }

    /// Raw values a valid reading may take: the DBC's range within the signal's bits, without the codes
    /// at its ends.
    fn raw_range(&self, signal: &can_dbc::Signal) -> (f64, f64) {
        // Largest values that are exact in f64 and stay inside the bits after adding a half.
        let exact = |mask: u64| (if mask >> 53 == 0 { mask } else { mask & !0x7FF }) as f64;
        let (mut low, mut high) = match self.repr {
            Repr::Signed => (-exact(self.mask >> 1) - 1.0, exact(self.mask >> 1)),
            Repr::Unsigned | Repr::Long => (0.0, exact(self.mask)),
            Repr::Single => (f64::from(f32::MIN), f64::from(f32::MAX)),
            Repr::Double => (f64::MIN, f64::MAX),
        };
        let number = |value: NumericValue| match value {
            NumericValue::Uint(value) => value as f64,
            NumericValue::Int(value) => value as f64,
            NumericValue::Double(value) => value,
        };
        let (min, max) = (number(signal.min), number(signal.max));
        if min < max {
            let whole = !matches!(self.repr, Repr::Single | Repr::Double);
            let raw = |value: f64| {
                let raw = (value - self.offset) * self.divide / self.multiply;
                if whole { raw.round() } else { raw }
            };
            let (a, b) = (raw(min), raw(max));
            low = low.max(a.min(b));
            high = high.min(a.max(b));
        }
        if matches!(self.repr, Repr::Single | Repr::Double) {
            return (low, high);
        }
        let is_code = |raw: f64| {
            let codes = [self.invalid(), self.open_wire()];
            codes.into_iter().flatten().any(|code| {
                raw == match self.repr {
                    Repr::Unsigned | Repr::Signed => self.extended(code) as f64,
                    _ => code as f64,
                }
            })
        };
        while low < high && is_code(low) {
            low += 1.0;
        }
        while low < high && is_code(high) {
            high -= 1.0;
        }
        (low, high)
    }

    /// The raw value in a payload of at most 8 bytes, read as one word in the signal's own byte order; what stands above
    /// it in the word is still there.
    #[inline]
    pub(super) fn narrow(&self, little: u64, big: u64) -> u64 {
        (if self.big_endian { big } else { little }) >> self.shift
    }

    /// The raw value in a frame that is as long as the signal's message, or longer.
    pub(super) fn of_frame(&self, frame: &CanFrame) -> u64 {
        if self.is_narrow {
            let word = frame.word();
            self.narrow(word, word.swap_bytes()) & self.mask
        } else {
            self.read(&buffer(frame.data()))
        }
    }

    /// Puts a raw value in its place in a frame of the signal's message.
    pub(super) fn put(&self, frame: &mut CanFrame, raw: u64) {
        if self.is_narrow {
            let turn = |word: u64| if self.big_endian { word.swap_bytes() } else { word };
            let word = turn(frame.word()) & !(self.mask << self.shift);
            frame.set_word(turn(word | (raw & self.mask) << self.shift));
        } else {
            let mut payload = buffer(frame.data());
            self.write(&mut payload, raw);
            let len = frame.data().len();
            frame.data_mut().copy_from_slice(&payload[..len]);
        }
    }

    /// As much of a number as the signal has bits for.
    pub(super) fn cut(&self, raw: u64) -> u64 {
        raw & self.mask
    }

    /// The raw value in a payload of any length, followed by zeros.
    pub(super) fn read(&self, payload: &[u8; BUFFER]) -> u64 {
        let (word, shift) = self.window(payload);
        // the mask of whoever reads it takes the rest away
        #[allow(clippy::cast_possible_truncation, reason = "a signal has at most 64 bits")]
        let raw = (word >> shift) as u64;
        raw & self.mask
    }

    /// Puts a raw value in its place in a payload of any length, followed by zeros.
    pub(super) fn write(&self, payload: &mut [u8; BUFFER], raw: u64) {
        let (word, shift) = self.window(payload);
        let word = word & !(u128::from(self.mask) << shift) | u128::from(raw & self.mask) << shift;
        let bytes = if self.big_endian {
            word.to_be_bytes()
        } else {
            word.to_le_bytes()
        };
        let at = usize::from(self.byte);
        payload[at..at + WINDOW].copy_from_slice(&bytes);
    }

    /// The window as a number. A narrow field counts its place in 8 bytes, which a big-endian window has at its top.
    fn window(&self, payload: &[u8; BUFFER]) -> (u128, u32) {
        let at = usize::from(self.byte);
        let mut bytes = [0; WINDOW];
        bytes.copy_from_slice(&payload[at..at + WINDOW]);
        let shift = u32::from(self.shift);
        if self.big_endian {
            let narrow = if self.is_narrow { 64 } else { 0 };
            (u128::from_be_bytes(bytes), shift + narrow)
        } else {
            (u128::from_le_bytes(bytes), shift)
        }
    }

    /// The signal's bits in a payload of any length, to find overlaps.
    pub(super) fn claimed(&self) -> [u8; BUFFER] {
        let mut payload = [0; BUFFER];
        self.write(&mut payload, u64::MAX);
        payload
    }

    /// First and last raw value of a counter: its range in the DBC, or all its bits if that has negative numbers.
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "raw values of the range, none below 0"
    )]
    pub(super) fn counts(&self) -> (u64, u64) {
        if self.min_raw < 0.0 {
            return (0, self.mask);
        }
        (self.min_raw as u64, self.max_raw as u64)
    }
}

/// A payload with zeros behind it.
pub(super) fn buffer(data: &[u8]) -> [u8; BUFFER] {
    let mut payload = [0; BUFFER];
    payload[..data.len()].copy_from_slice(data);
    payload
}

/// As `f64::round`, halves away from zero, for numbers inside an `i64`: many processors have no instruction for it, and
/// their library's function takes longer than all else that is done with a value.
#[inline]
#[allow(
    clippy::cast_possible_truncation,
    reason = "cutting off the fraction is meant"
)]
pub(in crate::codec) fn rounded(value: f64) -> i64 {
    let whole = value as i64;
    let fraction = value - whole as f64; // exact, and 0 from 2^52 up
    whole + i64::from(fraction >= 0.5) - i64::from(fraction <= -0.5)
}

/// A factor as a fraction of whole numbers with a power of ten below, if it is one; else over 1.
pub(in crate::codec) fn decimal(factor: f64) -> (f64, f64) {
    let mut power = 1.0;
    for _ in 0..=9 {
        let scaled = factor * power;
        let whole = scaled.round();
        if whole != 0.0 && (scaled - whole).abs() <= whole.abs() * 1e-12 {
            return (whole, power);
        }
        power *= 10.0;
    }
    (factor, 1.0)
}

/// The same fraction without common factors of ten.
pub(in crate::codec) fn reduced(mut multiply: f64, mut divide: f64) -> (f64, f64) {
    while divide >= 10.0 && multiply % 10.0 == 0.0 {
        multiply /= 10.0;
        divide /= 10.0;
    }
    (multiply, divide)
}
