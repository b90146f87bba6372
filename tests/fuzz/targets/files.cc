// The other files that strangers send, each through its reader; the first byte says which. Tensors (.npy, .pb),
// pictures, DICOM slices, saved statistics, schedules, signing keys.
#include "engine/compile/schedule_book.h"
#include "graph/quant/profile.h"
#include "loader/tensor_file.h"
#include "tests/fuzz/targets/memory_file.h"
#include "tools/dicom/slice.h"
#include "tools/io/npy.h"
#include "tools/io/pem.h"
#include "tools/io/raster.h"

namespace quadlane::fuzz {
namespace {

std::string dicom(const std::string& path) {
  auto slice = tools::read_dicom_slice(path);
  if (!slice.ok() || !*slice) return {};
  auto pixels = tools::read_dicom_pixels(**slice);
  const size_t expected = static_cast<size_t>((*slice)->rows) * static_cast<size_t>((*slice)->columns);
  return pixels.ok() && pixels->size() != expected ? cat(pixels->size(), " pixels are read of ", expected) : "";
}

std::string picture(std::string_view bytes) {
  auto read = tools::parse_picture(bytes);
  const bool whole = !read.ok() || read->values.size() == read->plane() * static_cast<size_t>(read->channels);
  return whole ? "" : cat(read->values.size(), " values of ", read->channels, "x", read->rows, "x", read->columns);
}

// What is read and written is read again, as the same.
template <class File>
std::string there_and_back(std::string_view bytes) {
  auto read = File::from_text(bytes);
  if (!read.ok()) return {};
  const std::string text = read->to_text();
  auto again = File::from_text(text);
  return again.ok() && again->to_text() == text ? "" : cat("what is written is not read again: ", text);
}

std::string run(Bytes bytes) {
  if (bytes.empty()) return {};
  const Bytes rest = bytes.subspan(1);
  const std::string_view text(reinterpret_cast<const char*>(rest.data()), rest.size());
  switch (bytes[0]) {
    case 'n': return (void)tools::parse_npy(text), "";
    case 't': return (void)read_tensor_pb(MemoryFile(rest).path), "";
    case 'p': return picture(text);
    case 'd': return dicom(MemoryFile(rest).path);
    case 's': return there_and_back<Profile>(text);
    case 'b': return there_and_back<compile::ScheduleBook>(text);
    case 'k': return (void)tools::read_signing_seed(MemoryFile(rest).path), "";
    default: return {};
  }
}

}  // namespace

const Target kFiles{"files", 1 << 20, run};

}  // namespace quadlane::fuzz
