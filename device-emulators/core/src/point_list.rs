//! One list declares a device's points: field, constructor and meaning in one line each.

/// Declares a struct of [`crate::PointId`]s and the table that defines them.
///
/// Each field is `name: constructor(arguments)`, where the constructor is one of
/// [`crate::PointTable::value`], [`crate::PointTable::counter`], [`crate::PointTable::state`] and [`crate::PointTable::flag`].
macro_rules! point_list {
    (
        $(#[$meta:meta])*
        pub struct $name:ident {
            $( $(#[$doc:meta])* $field:ident : $kind:ident ( $($arg:expr),* $(,)? ) ),* $(,)?
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug)]
        pub struct $name {
            $( $(#[$doc])* pub $field: $crate::PointId, )*
        }

        impl $name {
            /// Adds these points to `table`.
            pub fn add_to(table: &mut $crate::PointTable) -> Self {
                Self { $( $field: table.$kind($($arg),*), )* }
            }
        }
    };
}

pub(crate) use point_list;
