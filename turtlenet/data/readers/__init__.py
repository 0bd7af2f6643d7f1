"""Readers of each form that data come in: arrays, folders of images, tables, Arrow."""
