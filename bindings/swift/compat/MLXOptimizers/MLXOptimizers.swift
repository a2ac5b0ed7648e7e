// OlivineOptimizers under the name that mlx-swift programs import.
@_exported import OlivineOptimizers
