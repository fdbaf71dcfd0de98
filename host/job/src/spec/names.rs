//! The words of the job file that stand for a choice; those that other crates use as well are in `types`. The first word
//! of each is the default.

types::names! {
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
