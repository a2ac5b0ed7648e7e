// What imported files may leave behind and say, whatever is in them.
#include <gtest/gtest.h>

#include <cstring>
#include <ctime>

#include "core/op.h"
#include "io/utf8.h"
#include "olivine/export_function.h"
#include "transforms/export_format.h"

namespace olivine {
namespace {

TEST(Import, NamesInFilesUseUpNoNumbersOfOps) {
  struct Named {
    std::string_view name;
    auto fields() const { return std::tie(name); }
  };
  int before = op_id("a_name_before_the_file");
  for (int i = 0; i < 5000; ++i) {
    exported::Encoder out;
    out.text("made_up_" + std::to_string(i));
    exported::Decoder in("test", out.bytes);
    Named n;
    fields::read(in, n);
    EXPECT_TRUE(n.name.empty() || n.name == "made_up_" + std::to_string(i));
  }
  EXPECT_EQ(op_id("a_name_after_the_file"), before + 1);
}

TEST(Import, ErrorsOfFilesAreOneLineOfText) {
  EXPECT_EQ(one_line("[load] file: got 'a b'"), "[load] file: got 'a b'");
  EXPECT_EQ(one_line("a\nb\x01\x7f"), "a\\x0ab\\x01\\x7f");
  EXPECT_EQ(one_line("\xc3\xbc \xf0\x9f\x98\x80 \xed\xa0\x80 \xff \xc3"),
            "\xc3\xbc \xf0\x9f\x98\x80 \\xed\\xa0\\x80 \\xff \\xc3");
  EXPECT_EQ(one_line(std::string(1000, 'a')), std::string(1000, 'a'));
  EXPECT_EQ(one_line(std::string(5000, 'a')), std::string(1000, 'a') + "...");
  EXPECT_EQ(one_line(""), "");
}

// A megabyte of traces and constants, all of them empty, is read in time that grows with its size.
TEST(Import, ManyTracesMayShareManyConstants) {
  constexpr size_t kCount = 100'000;
  exported::Encoder header;
  header.name("");
  header.name("");
  header.count(0);
  header.count(kCount);
  for (size_t i = 0; i < kCount; ++i) {
    header.spec({0}, float32);
    header.byte(0);
    header.count(0);
  }
  header.count(kCount);
  for (size_t i = 0; i < kCount; ++i) header.bytes.append(5, '\0');
  exported::Encoder file;
  uint32_t version[2] = {exported::kVersion, 0};
  uint64_t size = header.bytes.size();
  file.raw(exported::kMagic, 8);
  file.raw(version, 8);
  file.raw(&size, 8);
  file.bytes += header.bytes;
  file.bytes.resize(exported::aligned(file.bytes.size()), '\0');
  ByteSource source{file.bytes.size(), "test", [&](uint64_t offset, void* out, size_t n) {
                      std::memcpy(out, file.bytes.data() + offset, n);
                    }};
  std::clock_t start = std::clock();
  EXPECT_TRUE(import_function(source)(Args()).empty());
  EXPECT_LT(double(std::clock() - start) / CLOCKS_PER_SEC, 5);
}

}  // namespace
}  // namespace olivine
