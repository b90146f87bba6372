#include "tools/dicom/slice.h"

#include <dcmtk/config/osconfig.h>
#include <dcmtk/dcmdata/dcrledrg.h>
#include <dcmtk/dcmdata/dctk.h>
#include <dcmtk/dcmjpeg/djdecode.h>
#include <dcmtk/dcmjpls/djdecode.h>

#include <cmath>

#include "tools/io/file.h"

namespace quadlane::tools {
namespace {

constexpr int kMaxExtent = 8192;

// DCMTK keeps decoders in a process-wide table; they are entered once, its log is silenced.
void register_decoders() {
  static const bool once = [] {
    OFLog::configure(OFLogger::OFF_LOG_LEVEL);
    DcmRLEDecoderRegistration::registerCodecs();
    DJDecoderRegistration::registerCodecs();
    DJLSDecoderRegistration::registerCodecs();
    return true;
  }();
  (void)once;
}

std::string text_of(DcmDataset& data, const DcmTagKey& tag) {
  OFString value;
  return data.findAndGetOFStringArray(tag, value).good() ? std::string(value.c_str()) : std::string();
}

// All values of a decimal-string element, or nothing when fewer or other than numbers below 2^31: what follows from
// those (places, distances, directions across) is finite, and an instance's number is an int.
template <size_t n>
std::optional<std::array<double, n>> numbers(DcmDataset& data, const DcmTagKey& tag) {
  std::array<double, n> values;
  for (size_t i = 0; i < n; ++i) {
    Float64 value = 0;
    if (data.findAndGetFloat64(tag, value, static_cast<unsigned long>(i)).bad() || !(std::fabs(value) < 0x1p31))
      return {};
    values[i] = value;
  }
  return values;
}
double number_or(DcmDataset& data, const DcmTagKey& tag, double otherwise) {
  auto value = numbers<1>(data, tag);
  return value ? (*value)[0] : otherwise;
}

uint16_t word_or(DcmDataset& data, const DcmTagKey& tag, uint16_t otherwise) {
  Uint16 value = 0;  // DCMTK clears it when the element is absent
  return data.findAndGetUint16(tag, value).good() ? value : otherwise;
}

Status check_kind(DcmDataset& data) {
  Sint32 frames = 0;
  if (data.findAndGetSint32(DCM_NumberOfFrames, frames).good() && frames != 1)
    return unsupported("a multi-frame object of ", frames, " frames, only single slices are read");
  int samples = word_or(data, DCM_SamplesPerPixel, 1), bits = word_or(data, DCM_BitsAllocated, 0);
  std::string colour = text_of(data, DCM_PhotometricInterpretation);
  if (samples != 1 || (colour != "MONOCHROME2" && colour != "MONOCHROME1"))
    return unsupported("pixels are '", colour, "' with ", samples, " samples, only grey slices are read");
  if (bits != 8 && bits != 16) return unsupported(bits, " bits a pixel, expected 8 or 16");
  DcmXfer transfer(data.getOriginalXfer());
  if (transfer.isEncapsulated() && !data.canWriteXfer(EXS_LittleEndianExplicit))
    return unsupported("compressed as ", transfer.getXferName(), ", which cannot be decompressed here");
  return {};
}

Result<DicomSlice> read_header(DcmDataset& data, const std::string& path) {
  QL_CHECK_OK(check_kind(data));
  DicomSlice slice;
  slice.path = path;
  int rows = word_or(data, DCM_Rows, 0), columns = word_or(data, DCM_Columns, 0);
  if (rows < 1 || columns < 1 || rows > kMaxExtent || columns > kMaxExtent)
    return invalid_argument("the slice is ", rows, "x", columns, ", expected 1 to ", kMaxExtent);
  slice.rows = rows, slice.columns = columns;

  auto spacing = numbers<2>(data, DCM_PixelSpacing);
  auto orientation = numbers<6>(data, DCM_ImageOrientationPatient);
  auto position = numbers<3>(data, DCM_ImagePositionPatient);
  if (!spacing || !orientation || !position)
    return unsupported("no usable ",
                       !spacing       ? "PixelSpacing"
                       : !orientation ? "ImageOrientationPatient"
                                      : "ImagePositionPatient",
                       ", so the slice has no place in space");
  if (!((*spacing)[0] > 0 && (*spacing)[1] > 0))
    return invalid_argument("PixelSpacing is ", (*spacing)[0], " x ", (*spacing)[1], " mm");
  slice.spacing = *spacing, slice.orientation = *orientation, slice.position = *position;
  slice.slice_mm = number_or(data, DCM_SpacingBetweenSlices, number_or(data, DCM_SliceThickness, 0));
  if (auto trigger = numbers<1>(data, DCM_TriggerTime)) slice.trigger_ms = (*trigger)[0];
  slice.acquisition_time = text_of(data, DCM_AcquisitionTime);
  slice.instance = static_cast<int>(number_or(data, DCM_InstanceNumber, 0));
  slice.rescale_slope = number_or(data, DCM_RescaleSlope, 1);
  slice.rescale_intercept = number_or(data, DCM_RescaleIntercept, 0);
  return slice;
}

}  // namespace

std::array<double, 3> DicomSlice::normal() const {
  const auto& o = orientation;
  return {o[1] * o[5] - o[2] * o[4], o[2] * o[3] - o[0] * o[5], o[0] * o[4] - o[1] * o[3]};
}

Result<std::optional<DicomSlice>> read_dicom_slice(const std::string& path) {
  register_decoders();
  if (!is_regular_file(path)) return std::optional<DicomSlice>();
  constexpr Uint32 kDeferLongerThan = 4096;  // pixels stay in the file
  DcmFileFormat file;
  if (file.loadFile(path.c_str(), EXS_Unknown, EGL_noChange, kDeferLongerThan, ERM_fileOnly).bad())
    return std::optional<DicomSlice>();
  if (!file.getDataset()->tagExists(DCM_PixelData)) return std::optional<DicomSlice>();  // a report, a DICOMDIR
  QL_TRY(DicomSlice slice, read_header(*file.getDataset(), path).context(cat("'", path, "'")));
  return std::optional<DicomSlice>(std::move(slice));
}

Result<std::vector<float>> read_dicom_pixels(const DicomSlice& slice) {
  register_decoders();
  DcmFileFormat file;
  OFCondition loaded = file.loadFile(slice.path.c_str(), EXS_Unknown, EGL_noChange, DCM_MaxReadLength, ERM_fileOnly);
  if (loaded.bad()) return make_error(Code::io, "'", slice.path, "': ", loaded.text());
  DcmDataset& data = *file.getDataset();
  OFCondition unpacked = data.chooseRepresentation(EXS_LittleEndianExplicit, nullptr);
  if (unpacked.bad()) return unsupported("'", slice.path, "': cannot decompress: ", unpacked.text());

  int bits = word_or(data, DCM_BitsAllocated, 16), stored = word_or(data, DCM_BitsStored, 0);
  bool is_signed = word_or(data, DCM_PixelRepresentation, 0) == 1;
  if (stored < 1 || stored > bits) stored = bits;
  size_t count = static_cast<size_t>(slice.rows) * slice.columns;
  unsigned long found = 0;
  const Uint8* bytes = nullptr;
  const Uint16* words = nullptr;
  OFCondition got = bits == 8 ? data.findAndGetUint8Array(DCM_PixelData, bytes, &found)
                              : data.findAndGetUint16Array(DCM_PixelData, words, &found);
  if (got.bad() || found < count)
    return invalid_argument("'", slice.path, "': ", found, " pixels, the header says ", count);

  std::string colour = text_of(data, DCM_PhotometricInterpretation);
  float sign = colour == "MONOCHROME1" ? -1.0f : 1.0f;  // small values are bright there
  std::vector<float> pixels(count);
  uint32_t mask = (1u << stored) - 1, top = 1u << (stored - 1);  // overlays may sit in the bits above
  for (size_t i = 0; i < count; ++i) {
    uint32_t raw = (bytes ? bytes[i] : words[i]) & mask;
    double value = is_signed && (raw & top) ? static_cast<double>(raw) - 2.0 * top : raw;
    pixels[i] = sign * static_cast<float>(value * slice.rescale_slope + slice.rescale_intercept);
  }
  return pixels;
}

}  // namespace quadlane::tools
