// Placeholder, replaced below.
int main() {}
