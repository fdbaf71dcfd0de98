//! The words of the job file that stand for a choice. The first word of each is the default.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

macro_rules! names {
    ($($(#[$attr:meta])* $name:ident {
        $(#[doc = $first_doc:literal])* $first:ident = $first_text:literal,
        $($(#[doc = $doc:literal])* $variant:ident = $text:literal,)*
    })+) => {$(
        $(#[$attr])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
    /// What, beside NaN, makes a pixel of an input invalid.
    MaskUse {
        /// What GDAL's mask band says: a mask, an alpha band, or nodata.
        Auto = "auto",
        /// Only nodata values.
        Nodata = "nodata",
        /// Nothing: every pixel is valid.
        None = "none",
    }

    /// How overviews are made: gdaladdo's methods.
    OverviewResampling {
        /// Nearest neighbour.
        Nearest = "nearest",
        /// Mean of the valid pixels.
        Average = "average",
        /// Root mean square of the valid pixels.
        Rms = "rms",
        /// Gaussian kernel.
        Gauss = "gauss",
        /// Bilinear.
        Bilinear = "bilinear",
        /// Cubic.
        Cubic = "cubic",
        /// Cubic B-spline.
        CubicSpline = "cubicspline",
        /// Lanczos windowed sinc.
        Lanczos = "lanczos",
        /// Most frequent value.
        Mode = "mode",
    }

    /// Element type, by numpy's names.
    DataType {
        /// Unsigned 8-bit integer.
        UInt8 = "uint8",
        /// Signed 8-bit integer.
        Int8 = "int8",
        /// Unsigned 16-bit integer.
        UInt16 = "uint16",
        /// Signed 16-bit integer.
        Int16 = "int16",
        /// Unsigned 32-bit integer.
        UInt32 = "uint32",
        /// Signed 32-bit integer.
        Int32 = "int32",
        /// Unsigned 64-bit integer.
        UInt64 = "uint64",
        /// Signed 64-bit integer.
        Int64 = "int64",
        /// Single precision.
        Float32 = "float32",
        /// Double precision.
        Float64 = "float64",
    }

    /// Which extent the working grid covers.
    Footprint {
        /// Where all inputs have data.
        Intersection = "intersection",
        /// Where any input has data.
        Union = "union",
        /// The extent of `reference`, or of the first raster input.
        Reference = "reference",
    }

    /// What the halo holds beyond the data.
    Edge {
        /// Nodata.
        Nodata = "nodata",
        /// The data mirrored at its edge.
        Reflect = "reflect",
        /// The nearest pixel of the data.
        Nearest = "nearest",
    }

    /// Who starts the workers, and where.
    WorkerKind {
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

    /// Who reads the inputs.
    Reads {
        /// The controller, which sends the pixels.
        Controller = "controller",
        /// Each worker by itself: it must reach every path.
        Worker = "worker",
    }

    /// Whether to use Spot capacity.
    Spot {
        /// On-demand only.
        Never = "never",
        /// Spot, and on-demand where there is no Spot capacity.
        Prefer = "prefer",
        /// Spot only; wait for it.
        Only = "only",
    }

    /// The processors of the workers.
    CpuArchitecture {
        /// Intel and AMD.
        X86_64 = "X86_64",
        /// AWS Graviton.
        Arm64 = "ARM64",
    }

    /// How a task on an EC2 instance reaches the network.
    NetworkMode {
        /// The instance's own network: no wait for an interface, and as many tasks as fit.
        Host = "host",
        /// A network interface for each task.
        Awsvpc = "awsvpc",
    }
}

impl From<DataType> for tilefn_abi::DType {
    fn from(dtype: DataType) -> Self {
        match dtype {
            DataType::UInt8 => Self::UInt8,
            DataType::Int8 => Self::Int8,
            DataType::UInt16 => Self::UInt16,
            DataType::Int16 => Self::Int16,
            DataType::UInt32 => Self::UInt32,
            DataType::Int32 => Self::Int32,
            DataType::UInt64 => Self::UInt64,
            DataType::Int64 => Self::Int64,
            DataType::Float32 => Self::Float32,
            DataType::Float64 => Self::Float64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn element_types_are_the_abis() {
        for dtype in tilefn_abi::DType::ALL {
            let word = serde_json::Value::from(dtype.name());
            let read: DataType = serde_json::from_value(word).unwrap();
            assert_eq!((tilefn_abi::DType::from(read), read.name()), (dtype, dtype.name()));
        }
    }
}
