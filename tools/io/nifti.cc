// Layout of the 348-byte header: https://nifti.nimh.nih.gov/pub/dist/src/niftilib/nifti1.h. Offsets used here:
//   0 sizeof_hdr i32 | 40 dim i16[8] | 70 datatype i16 | 72 bitpix i16 | 76 pixdim f32[8] | 108 vox_offset f32
//   112 scl_slope f32 | 116 scl_inter f32 | 123 xyzt_units u8 | 124 cal_max f32 | 128 cal_min f32
//   252 qform_code i16 | 254 sform_code i16 | 280 srow f32[3][4] | 344 magic "n+1\0"
#include "tools/io/nifti.h"

#include <zlib.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <memory>

#include "engine/base/tensor.h"
#include "tools/io/file.h"
#include "tools/io/gzip.h"

namespace quadlane::tools {
namespace {

enum Offset : size_t {
  kSizeOfHeader = 0,
  kDim = 40,
  kDataType = 70,
  kBitPix = 72,
  kPixDim = 76,
  kVoxOffset = 108,
  kSlope = 112,
  kInter = 116,
  kUnits = 123,
  kCalMax = 124,
  kCalMin = 128,
  kQformCode = 252,
  kSformCode = 254,
  kSrow = 280,
  kMagicAt = 344,
};
constexpr int64_t kFirstVoxel = 352;              // header and the four bytes that announce extensions
constexpr int64_t kMaxVoxelOffset = 64 << 20;     // extensions beyond this are no metadata any more

template <class T>
T swap_bytes(T value) {
  auto bytes = std::bit_cast<std::array<char, sizeof(T)>>(value);
  std::reverse(bytes.begin(), bytes.end());
  return std::bit_cast<T>(bytes);
}

template <class T>
T get(const NiftiImage& image, size_t offset) {
  T value;
  std::memcpy(&value, image.header.data() + offset, sizeof value);
  return image.swapped ? swap_bytes(value) : value;
}

template <class T>
void put(NiftiImage& image, size_t offset, T value) {
  if (image.swapped) value = swap_bytes(value);
  std::memcpy(image.header.data() + offset, &value, sizeof value);
}

// Element types by the header's code; `load` reads one element of native byte order.
struct VoxelType {
  int16_t code;
  size_t bytes;
  double (*load)(const char*);
};
template <class T>
double load_as(const char* p) {
  T value;
  std::memcpy(&value, p, sizeof value);
  return static_cast<double>(value);
}
constexpr VoxelType kTypes[] = {
    {2, 1, load_as<uint8_t>},    {4, 2, load_as<int16_t>},     {8, 4, load_as<int32_t>},    {16, 4, load_as<float>},
    {64, 8, load_as<double>},    {256, 1, load_as<int8_t>},    {512, 2, load_as<uint16_t>}, {768, 4, load_as<uint32_t>},
    {1024, 8, load_as<int64_t>}, {1280, 8, load_as<uint64_t>},
};

Result<const VoxelType*> voxel_type(int16_t code) {
  for (const VoxelType& type : kTypes)
    if (type.code == code) return &type;
  constexpr std::pair<int16_t, const char*> kRefused[] = {{1, "binary"},      {32, "complex64"},    {128, "rgb24"},
                                                          {1536, "float128"}, {1792, "complex128"}, {2304, "rgba32"}};
  for (auto [refused, name] : kRefused)
    if (refused == code) return unsupported("voxel type ", code, " (", name, ") is not supported");
  return unsupported("voxel type ", code, " is unknown");
}

Status recognise(NiftiImage& image) {
  int32_t size = get<int32_t>(image, kSizeOfHeader);
  if (size == 540 || swap_bytes(size) == 540) return unsupported("this is NIfTI-2, only NIfTI-1 is read");
  image.swapped = swap_bytes(size) == 348;
  if (size != 348 && !image.swapped)
    return invalid_argument("no NIfTI file: the header's size field is ", size, ", expected 348");
  std::string_view magic(image.header.data() + kMagicAt, 4);
  if (magic.substr(0, 3) == "ni1")
    return unsupported("this is the header of a two-file NIfTI image, convert it to .nii");
  if (magic.substr(0, 3) != "n+1")
    return unsupported("no NIfTI-1 file: the magic 'n+1' is missing (Analyze is not read)");
  return {};
}

Status read_extents(NiftiImage& image) {
  int rank = get<int16_t>(image, kDim);
  if (rank < 1 || rank > 7) return invalid_argument("the header has ", rank, " dimensions, expected 1 to 7");
  image.extent.fill(1);
  int64_t count = 1;
  for (int i = 0; i < rank; ++i) {
    int64_t extent = get<int16_t>(image, kDim + 2 * (i + 1));
    if (extent < 1) return invalid_argument("dimension ", i + 1, " has extent ", extent);
    image.extent[i] = extent;
    if (__builtin_mul_overflow(count, extent, &count) || count > kMostVoxels)
      return unsupported("the image has more than ", kMostVoxels, " voxels");
  }
  return {};
}

void read_spacing(NiftiImage& image) {
  uint8_t units = get<uint8_t>(image, kUnits);
  double to_mm = (units & 7) == 1 ? 1000 : (units & 7) == 3 ? 0.001 : 1;
  double to_ms = (units & 0x38) == 16 ? 1 : (units & 0x38) == 24 ? 0.001 : 1000;  // seconds unless told otherwise
  for (int i = 0; i < 3; ++i) image.spacing_mm[i] = std::fabs(get<float>(image, kPixDim + 4 * (i + 1))) * to_mm;
  double step = get<float>(image, kPixDim + 16);
  image.phase_ms = image.extent[3] > 1 && std::isfinite(step) && step > 0 ? step * to_ms : 0;
}

Result<int64_t> voxel_offset(const NiftiImage& image) {
  float offset = get<float>(image, kVoxOffset);
  if (offset == 0) return kFirstVoxel;  // some writers leave it out
  if (!(offset >= kFirstVoxel && offset <= kMaxVoxelOffset) || offset != std::floor(offset))
    return invalid_argument("voxels start at byte ", offset, ", expected ", kFirstVoxel, " to ", kMaxVoxelOffset);
  return static_cast<int64_t>(offset);
}

Status read_voxels(NiftiImage& image, GzipReader& file, const VoxelType& type) {
  double slope = get<float>(image, kSlope), inter = get<float>(image, kInter);
  if (!std::isfinite(slope) || !std::isfinite(inter) || slope == 0) slope = 1, inter = 0;  // "not scaled"
  constexpr int64_t kChunk = 1 << 16;
  int64_t count = image.voxel_count();
  std::vector<char> chunk(kChunk * type.bytes);
  for (int64_t done = 0; done < count;) {
    int64_t n = std::min(kChunk, count - done);
    QL_TRY(size_t got, file.read(chunk.data(), n * type.bytes));
    if (got < n * type.bytes)
      return invalid_argument("the image has ", count * static_cast<int64_t>(type.bytes),
                              " bytes of voxels, the file ends after ",
                              done * static_cast<int64_t>(type.bytes) + static_cast<int64_t>(got));
    for (int64_t i = 0; i < n; ++i) {
      char* element = chunk.data() + i * type.bytes;
      if (image.swapped) std::reverse(element, element + type.bytes);
      double value = type.load(element) * slope + inter;
      bool finite = std::isfinite(static_cast<float>(value));
      image.not_finite += !finite;
      image.voxels.push_back(finite ? static_cast<float>(value) : 0.0f);
    }
    done += n;
  }
  return {};
}

Result<NiftiImage> read(const std::string& path) {
  QL_TRY(GzipReader file, GzipReader::open(path));
  NiftiImage image;
  QL_TRY(size_t got, file.read(image.header.data(), image.header.size()));
  if (got < image.header.size())
    return invalid_argument("the file has ", got, " bytes, a NIfTI header ", NiftiImage::kHeaderBytes);
  QL_CHECK_OK(recognise(image));
  QL_CHECK_OK(read_extents(image));
  read_spacing(image);
  QL_TRY(const VoxelType* type, voxel_type(get<int16_t>(image, kDataType)));
  QL_TRY(int64_t offset, voxel_offset(image));

  std::error_code unknown;
  uintmax_t bytes = std::filesystem::file_size(path, unknown), needed = offset + image.voxel_count() * type->bytes;
  if (!unknown && !file.compressed() && bytes < needed)
    return invalid_argument("the header asks for ", needed, " bytes, the file has ", bytes);
  QL_CHECK_OK(file.skip(offset - static_cast<int64_t>(image.header.size())));
  QL_CHECK_OK(read_voxels(image, file, *type));
  char beyond;  // reaching the end makes zlib check the length and the checksum
  if (auto rest = file.read(&beyond, 1); !rest.ok()) return std::move(rest).error();
  return image;
}

Status write(const std::string& path, NiftiImage image, int16_t type, std::span<const char> voxels) {
  size_t bytes_each = type == 2 ? 1 : 4;
  put<int16_t>(image, kDim, image.extent[3] > 1 ? 4 : 3);
  for (int i = 0; i < 7; ++i)
    put<int16_t>(image, kDim + 2 * (i + 1), static_cast<int16_t>(i < 4 ? image.extent[i] : 1));
  put<int16_t>(image, kDataType, type);
  put<int16_t>(image, kBitPix, static_cast<int16_t>(8 * bytes_each));
  put<float>(image, kVoxOffset, kFirstVoxel);
  put<float>(image, kSlope, 1);
  put<float>(image, kInter, 0);
  put<float>(image, kCalMax, 0);
  put<float>(image, kCalMin, 0);

  std::string bytes(image.header.data(), image.header.size());
  bytes.append(kFirstVoxel - image.header.size(), '\0');
  size_t start = bytes.size();
  bytes.append(voxels.data(), voxels.size());
  if (image.swapped && bytes_each > 1)
    for (size_t i = start; i < bytes.size(); i += bytes_each) std::reverse(&bytes[i], &bytes[i] + bytes_each);
  if (ends_with(path, ".gz")) {
    QL_TRY(bytes, gzip(bytes));
  }
  return write_file(path, bytes);
}

template <class T>
Status write_typed(const std::string& path, const NiftiImage& like, int16_t type, std::span<const T> voxels) {
  int64_t expected = like.extent[0] * like.extent[1] * like.extent[2] * like.extent[3];
  if (static_cast<int64_t>(voxels.size()) != expected)
    return invalid_argument("'", path, "': ", voxels.size(), " voxels to write, the geometry has ", expected);
  NiftiImage image;  // without the voxels
  image.header = like.header, image.swapped = like.swapped, image.extent = like.extent;
  return write(path, std::move(image), type, {reinterpret_cast<const char*>(voxels.data()), voxels.size_bytes()});
}

}  // namespace

int64_t NiftiImage::voxel_count() const {
  int64_t count = 1;
  for (int64_t n : extent) count *= n;
  return count;
}

Result<NiftiImage> read_nifti(const std::string& path) { return read(path).context(cat("'", path, "'")); }

Status write_nifti_labels(const std::string& path, const NiftiImage& like, std::span<const uint8_t> labels) {
  return write_typed(path, like, 2, labels);
}

Status write_nifti_f32(const std::string& path, const NiftiImage& like, std::span<const float> voxels) {
  return write_typed(path, like, 16, voxels);
}

NiftiImage make_nifti(std::array<int64_t, 4> extent, std::array<double, 3> spacing_mm, double phase_ms,
                      const std::array<float, 12>& to_world) {
  NiftiImage image;
  image.extent = {extent[0], extent[1], extent[2], extent[3], 1, 1, 1};
  image.spacing_mm = spacing_mm;
  image.phase_ms = phase_ms;
  put<int32_t>(image, kSizeOfHeader, 348);
  put<float>(image, kPixDim, 1);
  for (int i = 0; i < 3; ++i) put<float>(image, kPixDim + 4 * (i + 1), static_cast<float>(spacing_mm[i]));
  put<float>(image, kPixDim + 16, static_cast<float>(phase_ms));
  put<uint8_t>(image, kUnits, 2 | 16);  // millimetres and milliseconds
  put<int16_t>(image, kSformCode, 1);
  for (size_t i = 0; i < 12; ++i) put<float>(image, kSrow + 4 * i, to_world[i]);
  std::memcpy(image.header.data() + kMagicAt, "n+1", 4);
  return image;
}

}  // namespace quadlane::tools
