// What imported files may leave behind and say, whatever is in them.
#include <gtest/gtest.h>

#include "core/op.h"
#include "io/utf8.h"
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

}  // namespace
}  // namespace olivine
