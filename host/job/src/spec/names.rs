//! The words of the job file that stand for a choice; those that other crates use as well are in `types`. The first word
//! of each is the default.

types::names! {
    /// What, beside NaN, makes a pixel of an input invalid.
    pub enum MaskUse {
        /// What GDAL's mask band says: a mask, an alpha band, or nodata.
        Auto = "auto",
        /// Only nodata values.
        Nodata = "nodata",
        /// Nothing: every pixel is valid.
        None = "none",
    }

    /// What becomes of an expression's value that its output's integer type doesn't hold.
    pub enum Cast {
        /// It is rounded, and becomes the nearest number that the type has.
        Saturate = "saturate",
        /// It fails the job.
        Strict = "strict",
    }

    /// Which pixels of a file with overviews are resampled onto a coarser grid.
    pub enum OverviewUse {
        /// The file's own.
        None = "none",
        /// Those of the overview that gdalwarp takes (`-ovr AUTO`): the coarsest that isn't coarser than the grid.
        Auto = "auto",
    }

    /// How overviews are made: gdaladdo's methods.
    pub enum OverviewResampling {
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

    /// Who reads the inputs.
    pub enum Reads {
        /// The controller, which sends the pixels.
        Controller = "controller",
        /// Each worker by itself: it must reach every path.
        Worker = "worker",
    }

    /// Whether to use Spot capacity.
    pub enum Spot {
        /// On-demand only.
        Never = "never",
        /// Spot, and on-demand where there is no Spot capacity.
        Prefer = "prefer",
        /// Spot only; wait for it.
        Only = "only",
    }

    /// The processors of the workers.
    pub enum CpuArchitecture {
        /// Intel and AMD.
        X86_64 = "X86_64",
        /// AWS Graviton.
        Arm64 = "ARM64",
    }

    /// How a task on an EC2 instance reaches the network.
    pub enum NetworkMode {
        /// The instance's own network: no wait for an interface, and as many tasks as fit.
        Host = "host",
        /// A network interface for each task.
        Awsvpc = "awsvpc",
    }
}
