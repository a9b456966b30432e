"""Loss terms, a teacher and data of PDALN, for any component: anchors, MMD, contrastive learning, distillation."""
