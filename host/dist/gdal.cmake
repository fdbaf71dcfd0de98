# Drivers and codecs that gdal-src has no feature for. Their libraries are Debian's, linked statically by build.rs. Every CMake of
# the build reads this as its toolchain file (scripts/dist.sh); only GDAL knows these names.
foreach(driver ZARR WEBP JP2OPENJPEG)
  set(GDAL_ENABLE_DRIVER_${driver} ON CACHE BOOL "" FORCE)
endforeach()
foreach(library ZSTD DEFLATE WEBP OPENJPEG BLOSC LZ4)
  set(GDAL_USE_${library} ON CACHE BOOL "" FORCE)
endforeach()
