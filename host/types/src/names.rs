//! Choices that the job file makes with a word, and that other parts of the program act on.

/// Enums whose variants have a word, by which serde and the job file's schema know them. The first variant is the default.
#[macro_export]
macro_rules! names {
    ($($(#[$attr:meta])* pub enum $name:ident {
        $(#[doc = $first_doc:literal])* $first:ident = $first_text:literal,
        $($(#[doc = $doc:literal])* $variant:ident = $text:literal,)*
    })+) => {$(
        $(#[$attr])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ::serde::Serialize, ::serde::Deserialize, ::schemars::JsonSchema)]
        pub enum $name {
            #[default]
            $(#[doc = $first_doc])* #[serde(rename = $first_text)] $first,
            $($(#[doc = $doc])* #[serde(rename = $text)] $variant,)*
        }

        impl $name {
            /// The word in the job file.
            pub const fn name(self) -> &'static str {
                match self {
                    Self::$first => $first_text,
                    $(Self::$variant => $text),*
                }
            }
        }
    )+};
}

names! {
    /// Which extent the working grid covers.
    pub enum Footprint {
        /// Where all inputs have data.
        Intersection = "intersection",
        /// Where any input has data.
        Union = "union",
        /// The extent of `reference`, or of the first raster input.
        Reference = "reference",
    }

    /// What the halo holds beyond the data.
    pub enum Edge {
        /// Nodata.
        Nodata = "nodata",
        /// The data mirrored at its edge.
        Reflect = "reflect",
        /// The nearest pixel of the data.
        Nearest = "nearest",
    }

    /// Who starts the workers, and where.
    pub enum WorkerKind {
        /// Threads in this process.
        Threads = "threads",
        /// Processes on this machine.
        Processes = "processes",
        /// Workers that something else starts, with the ticket.
        External = "external",
        /// Tasks on AWS ECS with Fargate.
        Fargate = "fargate",
        /// Tasks on AWS ECS, on EC2 instances started for the job.
        Ec2 = "ec2",
    }

    /// How a raster on another grid or in another CRS is resampled: gdalwarp's methods but for its sum.
    pub enum Resampling {
        /// Nearest neighbour.
        Nearest = "nearest",
        /// Bilinear, 2 × 2 pixels.
        Bilinear = "bilinear",
        /// Cubic, 4 × 4 pixels.
        Cubic = "cubic",
        /// Cubic B-spline, 4 × 4 pixels.
        CubicSpline = "cubicspline",
        /// Lanczos windowed sinc, 6 × 6 pixels.
        Lanczos = "lanczos",
        /// Mean of the contributing pixels.
        Average = "average",
        /// Root mean square of the contributing pixels.
        Rms = "rms",
        /// Most frequent value.
        Mode = "mode",
        /// Largest value.
        Max = "max",
        /// Smallest value.
        Min = "min",
        /// Median.
        Median = "med",
        /// First quartile.
        Q1 = "q1",
        /// Third quartile.
        Q3 = "q3",
    }

    /// Which value a pixel of a mosaic has where several files have a valid one.
    pub enum MosaicRule {
        /// That of the first file.
        First = "first",
        /// That of the last file.
        Last = "last",
        /// The mean.
        Mean = "mean",
        /// The smallest.
        Min = "min",
        /// The largest.
        Max = "max",
    }
}
